"""Errors that only HTTP knows, in the words of `shared.errors`.

GridpressError
├── Unauthorized     401  no API key, or one that does not count
├── MissingScope     403  the key is not for this
├── ForbiddenHost    403  the Host header names another machine while the API has no key
├── ForbiddenOrigin  403  a page of another site calls
├── ForbiddenProxy   403  a proxy passed it on while the API has no key
├── RequestInProgress     409  the first request with this Idempotency-Key is still being answered
└── IdempotencyKeyReused  422  the Idempotency-Key came with another request before
"""

from shared.errors import GridpressError
from shared.keys import Scope


class Unauthorized(GridpressError):
    """A key is needed. `challenge` is the `WWW-Authenticate` of RFC 6750; `reason` one of its error codes."""

    code = "unauthorized"
    http_status = 401

    def __init__(self, message: str, reason: str | None = None) -> None:
        super().__init__(message)
        self.challenge = 'Bearer realm="gridpress"' + (f', error="{reason}"' if reason else "")


class MissingScope(GridpressError):
    """The key is known, and not for this."""

    code = "missing_scope"
    http_status = 403

    def __init__(self, scope: Scope) -> None:
        super().__init__(f"this API key has not the scope {scope}")
        self.challenge = f'Bearer realm="gridpress", error="insufficient_scope", scope="{scope}"'


class ForbiddenHost(GridpressError):
    """A name that leads here but is not ours: DNS rebinding."""

    code = "forbidden_host"
    http_status = 403


class ForbiddenOrigin(GridpressError):
    """A browser sent this for a page of another site."""

    code = "forbidden_origin"
    http_status = 403


class ForbiddenProxy(GridpressError):
    """A proxy passed this on, so whoever reaches the proxy would reach an API that anybody may use."""

    code = "forbidden_proxy"
    http_status = 403


class RequestInProgress(GridpressError):
    """The first request with this Idempotency-Key is still being answered; asking again finds its answer."""

    code = "request_in_progress"
    http_status = 409
    retryable = True
    retry_after_s = 1


class IdempotencyKeyReused(GridpressError):
    """This Idempotency-Key came with another request before; no retry helps."""

    code = "idempotency_key_reused"
    http_status = 422
