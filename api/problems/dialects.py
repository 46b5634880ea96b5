"""In which words an error is told: those of the door that the request came by; RFC 9457 on our own."""

import json
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from api.openai.errors import PREFIXES as OPENAI_PREFIXES
from api.openai.errors import error_body as openai_error
from api.zai.errors import error_body as zai_error

if TYPE_CHECKING:
    from api.problems.handlers import Problem

PROBLEM = "application/problem+json"
_JSON = "application/json"
_ZAI = ("/paas/v4/", "/api/paas/v4/")


def told(problem: "Problem", path: str) -> tuple[str, str]:
    """The body of an error on this path, and its content type."""
    error_body = _error_body(path)
    if error_body:
        body = error_body(problem.status, problem.code, problem.detail, problem.field, retryable=problem.retryable)
        return json.dumps(body, ensure_ascii=False), _JSON
    return problem.model_dump_json(), PROBLEM


def _error_body(path: str) -> Callable[..., dict[str, Any]] | None:
    if path.startswith(_ZAI):
        return zai_error
    is_openai = any(path == prefix or path.startswith(f"{prefix}/") for prefix in OPENAI_PREFIXES)
    return openai_error if is_openai else None
