"""Errors that only the HTTP API raises. They derive from `shared.errors.GridpressError`.

GridpressError
├── Unauthorized     401  the API key is missing, unknown, revoked or expired
├── MissingScope     403  the API key lacks the scope
├── ExceedsOwnKey    403  the API key can't grant what it does not have
├── ForbiddenNetwork 403  the API key does not work from the caller's address
├── ForbiddenModel   403  the API key is not for the served model
├── NoKeyYet         409  the first API key is created on the machine of the service
├── ForbiddenHost    403  the Host header names another machine while the API has no key
├── ForbiddenOrigin  403  the request comes from a page of another site
├── ForbiddenProxy   403  a proxy forwarded the request while the API has no key
├── RequestInProgress     409  the first request with this Idempotency-Key is still running
└── IdempotencyKeyReused  422  the Idempotency-Key was used with a different request before
"""

from shared.access.keys import Scope
from shared.errors import GridpressError


class Unauthorized(GridpressError):
    """The API key is missing, unknown, revoked or expired.

    `challenge` is the header field `WWW-Authenticate` of RFC 6750. `reason` is one of the error codes in that RFC.
    """

    code = "unauthorized"
    http_status = 401

    def __init__(self, message: str, reason: str | None = None) -> None:
        super().__init__(message)
        self.challenge = 'Bearer realm="gridpress"' + (f', error="{reason}"' if reason else "")


class MissingScope(GridpressError):
    """The API key is valid, but it does not have the scope that this route needs."""

    code = "missing_scope"
    http_status = 403

    def __init__(self, scope: Scope) -> None:
        super().__init__(f"this API key does not have the scope {scope}")
        self.challenge = f'Bearer realm="gridpress", error="insufficient_scope", scope="{scope}"'


class ExceedsOwnKey(GridpressError):
    """An API key can't grant or change what it does not have itself. `field` is the field of the request."""

    code = "exceeds_own_key"
    http_status = 403

    def __init__(self, message: str, field: str | None = None) -> None:
        super().__init__(message)
        self.field = field


class ForbiddenNetwork(GridpressError):
    """The API key is valid, but it may not be used from the caller's address."""

    code = "forbidden_network"
    http_status = 403


class ForbiddenModel(GridpressError):
    """The API key is valid, but it may not render with the model that this service serves. `field` is the field of the
    request that names the model, or None if no model of the service would be allowed.
    """

    code = "forbidden_model"
    http_status = 403

    def __init__(self, message: str, field: str | None = None) -> None:
        super().__init__(message)
        self.field = field


class NoKeyYet(GridpressError):
    """This API has no API key yet. The first one is created on its machine; later ones can be created here."""

    code = "no_key_yet"
    http_status = 409


class ForbiddenHost(GridpressError):
    """The Host header names another machine while the API has no key. This may be an attack by DNS rebinding."""

    code = "forbidden_host"
    http_status = 403


class ForbiddenOrigin(GridpressError):
    """A browser sent this request from a page of another site while the API has no key."""

    code = "forbidden_origin"
    http_status = 403


class ForbiddenProxy(GridpressError):
    """A proxy forwarded this request while the API has no key. Every client of the proxy could use the API."""

    code = "forbidden_proxy"
    http_status = 403


class RequestInProgress(GridpressError):
    """The first request with this Idempotency-Key is still running. A later retry returns its response."""

    code = "request_in_progress"
    http_status = 409
    retryable = True
    retry_after_s = 1


class IdempotencyKeyReused(GridpressError):
    """This Idempotency-Key was used with a different request before. A retry does not help."""

    code = "idempotency_key_reused"
    http_status = 422
