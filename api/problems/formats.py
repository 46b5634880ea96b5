"""Chooses the format of an error response by the path of the request: OpenAI's, Z.ai's, or RFC 9457 problem details.

An unknown path under `/v1` has OpenAI's format, since its clients look for routes there that this service lacks.
"""

import json
import re
from collections.abc import Callable
from typing import Any

from api.problems.openai import error_body as openai_error
from api.problems.problem import Problem
from api.problems.zai import error_body as zai_error

PROBLEM = "application/problem+json"
_JSON = "application/json"
_ZAI = ("/paas/v4/", "/api/paas/v4/")
_OWN = "|".join(
    (
        "audit|dead_letters|events|jobs|keys|limits|model_rules|pauses|requeue|session|stats|tenants|usage|workers",
        "webhook_endpoints|webhook_messages|webhooks",
    )
)
_NATIVE = re.compile(rf"/v1/({_OWN})(/.*)?", re.DOTALL)


def error_response(problem: Problem, path: str) -> tuple[str, str]:
    """Returns the body and the content type of an error response, in the API format that belongs to the path."""
    error_body = _error_body(path)
    if error_body:
        body = error_body(problem.status, problem.code, problem.detail, problem.field, retryable=problem.retryable)
        return json.dumps(body, ensure_ascii=False), _JSON
    return problem.model_dump_json(), PROBLEM


def _error_body(path: str) -> Callable[..., dict[str, Any]] | None:
    if path.startswith(_ZAI):
        return zai_error
    is_openai = (path == "/v1" or path.startswith("/v1/")) and not _NATIVE.fullmatch(path)
    return openai_error if is_openai else None
