"""In which words an error is told: those of the door that the request came by; RFC 9457 on our own."""

import json
from typing import TYPE_CHECKING

from api.zai.errors import error_body as zai_error

if TYPE_CHECKING:
    from api.problems import Problem

PROBLEM = "application/problem+json"
_JSON = "application/json"
_ZAI = ("/paas/v4/", "/api/paas/v4/")


def told(problem: "Problem", path: str) -> tuple[str, str]:
    """The body of an error on this path, and its content type."""
    if path.startswith(_ZAI):
        code, field = problem.code, problem.field
        body = zai_error(problem.status, code, problem.detail, field, retryable=problem.retryable)
        return json.dumps(body, ensure_ascii=False), _JSON
    return problem.model_dump_json(), PROBLEM
