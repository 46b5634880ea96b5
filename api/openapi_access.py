"""What the OpenAPI document says about keys: the scheme, and for each operation its scope and its refusals."""

from typing import Any

from api.callers import scope_of

Json = dict[str, Any]

_NAME = "key"
SCHEMES: Json = {
    _NAME: {
        "type": "http",
        "scheme": "bearer",
        "bearerFormat": "gp_<id>_<secret>",
        "description": "Made by `gridpress keys create`. Scopes: `read` reads, `render` creates and cancels, `admin` "
        "allows everything of its tenant. Until the first key is created, an API on loopback takes any header or none.",
    }
}
_REFUSALS = {
    "401": "no API key, or one that does not count",
    "403": "the key lacks the scope; or the Host or Origin is foreign",
    "429": "over a limit of the tenant; `Retry-After` says when to try again, if that can help",
}


def guarded(paths: Json, problem: Json) -> Json:
    """The same paths, with security and refusals for each operation that takes a key."""
    return {
        path: {method: _guarded(path, method, operation, problem) for method, operation in item.items()}
        for path, item in paths.items()
    }


def _guarded(path: str, method: str, operation: Json, problem: Json) -> Json:
    scope = scope_of(path, method.upper())
    if scope is None:
        return {**operation, "security": []}
    refusals = {status: {**problem, "description": text} for status, text in _REFUSALS.items()}
    return {**operation, "security": [{_NAME: [scope.value]}], "responses": {**refusals, **operation["responses"]}}
