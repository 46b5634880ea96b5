"""Errors that exist only in HTTP, in the form of `shared.errors`.

GridpressError
├── Unauthorized     401  no API key, or an invalid one
├── MissingScope     403  the key lacks the scope
├── ForbiddenHost    403  the Host header names another machine while the API has no key
├── ForbiddenOrigin  403  the request comes from a page of another site
├── ForbiddenProxy   403  a proxy forwarded the request while the API has no key
├── RequestInProgress     409  the first request with this Idempotency-Key is not answered yet
└── IdempotencyKeyReused  422  the Idempotency-Key came with another request before
"""

from shared.access.keys import Scope
from shared.errors import GridpressError


class Unauthorized(GridpressError):
    """A valid key is needed. `challenge` is the `WWW-Authenticate` of RFC 6750; `reason` one of its error codes."""

    code = "unauthorized"
    http_status = 401

    def __init__(self, message: str, reason: str | None = None) -> None:
        super().__init__(message)
        self.challenge = 'Bearer realm="gridpress"' + (f', error="{reason}"' if reason else "")


class MissingScope(GridpressError):
    """The key is valid, but lacks the scope for this route."""

    code = "missing_scope"
    http_status = 403

    def __init__(self, scope: Scope) -> None:
        super().__init__(f"this API key has not the scope {scope}")
        self.challenge = f'Bearer realm="gridpress", error="insufficient_scope", scope="{scope}"'


class ForbiddenHost(GridpressError):
    """The Host header is not one of ours, although the name resolves to this machine: DNS rebinding."""

    code = "forbidden_host"
    http_status = 403


class ForbiddenOrigin(GridpressError):
    """A browser sent this request for a page of another site."""

    code = "forbidden_origin"
    http_status = 403


class ForbiddenProxy(GridpressError):
    """A proxy forwarded this request; without keys, everybody who reaches the proxy could use the API."""

    code = "forbidden_proxy"
    http_status = 403


class RequestInProgress(GridpressError):
    """The first request with this Idempotency-Key is not answered yet; a later retry returns its response."""

    code = "request_in_progress"
    http_status = 409
    retryable = True
    retry_after_s = 1


class IdempotencyKeyReused(GridpressError):
    """This Idempotency-Key came with another request before; a retry does not help."""

    code = "idempotency_key_reused"
    http_status = 422
