"""Creates the error responses in the OpenAPI document with the code that formats real error responses."""

import json
from collections import defaultdict
from collections.abc import Sequence
from typing import Any

from pydantic import ValidationError
from werkzeug.exceptions import UnsupportedMediaType

from api.openapi.error_examples import example_of
from api.openapi.fields import CHALLENGE, RETRY_AFTER, RETRY_AFTER_MS
from api.openapi.operation import Field, Json, Model, Operation, Refusal, Refusals
from api.openapi.schemas import ZaiError
from api.problems.errors import (
    ForbiddenHost,
    ForbiddenNetwork,
    ForbiddenOrigin,
    ForbiddenProxy,
    IdempotencyKeyReused,
    MissingScope,
    RequestInProgress,
    Unauthorized,
)
from api.problems.formats import error_response
from api.problems.http_errors import code_for, words_for
from api.problems.openai import OpenAiError
from api.problems.problem import Problem
from shared.errors import (
    GridpressError,
    InvalidRequest,
    PayloadTooLarge,
    StoreUnavailable,
    TenantLimitReached,
)

SHAPES: tuple[Model, ...] = (Problem, OpenAiError, ZaiError)

_OPEN: Refusals = (ForbiddenHost, ForbiddenOrigin, ForbiddenProxy)
_KEYED: Refusals = (Unauthorized, MissingScope, ForbiddenNetwork, *_OPEN, TenantLimitReached, StoreUnavailable)
_OF_A_BODY: Refusals = (InvalidRequest, PayloadTooLarge, UnsupportedMediaType)
_OF_AN_IDEMPOTENCY_KEY: Refusals = (InvalidRequest, RequestInProgress, IdempotencyKeyReused)


def refusals_of(operation: Operation, method: str, *, takes_key: bool) -> Refusals:
    """Returns all error classes of a route: its own ones, and those that all routes of its kind share.

    `takes_key` is true for a route that needs an API key.
    """
    found = [*operation.refusals]
    found += _KEYED if takes_key else _OPEN
    found += _OF_A_BODY if operation.body else ()
    found += _OF_AN_IDEMPOTENCY_KEY if method == "POST" else ()
    found += (InvalidRequest,) if operation.query else ()
    return tuple(dict.fromkeys(found))


def by_status(refusals: Refusals) -> dict[int, list[Refusal]]:
    """Returns the error classes of a route grouped by HTTP status, in ascending order of status."""
    grouped = defaultdict(list)
    for refusal in refusals:
        grouped[status_of(refusal)].append(refusal)
    return dict(sorted(grouped.items()))


class SharedRefusals:
    """Collects the error responses that several routes share.

    The OpenAPI document then contains each of them once, under `components/responses`.
    """

    def __init__(self) -> None:
        self.responses: Json = {}

    def reference(self, status: int, refusals: Sequence[Refusal], path: str, headers: Json) -> Json:
        """Adds the shared error response for an HTTP status to the OpenAPI document, and returns a reference to it.

        `refusals` are the error classes with this status. The response has the API format that belongs to the path.
        """
        bodies = {code_of(refusal): error_response(example_of(refusal), path) for refusal in refusals}
        examples = {code: json.loads(body) for code, (body, _) in bodies.items()}
        shape = _shape(next(iter(examples.values()))).__name__
        [content_type] = {content_type for _, content_type in bodies.values()}
        name = ".".join([shape, str(status), *bodies])
        self.responses[name] = {
            "description": "; ".join(f"`{code_of(refusal)}`: {_meaning(refusal)}" for refusal in refusals),
            "headers": headers,
            "content": {
                content_type: {
                    "schema": {"$ref": f"#/components/schemas/{shape}"},
                    "examples": {code: {"value": body} for code, body in examples.items()},
                }
            },
        }
        return {"$ref": f"#/components/responses/{name}"}


def fields_of(status: int) -> tuple[Field, ...]:
    """Returns the header fields that all error responses with this HTTP status have, for the OpenAPI document."""
    match status:
        case 401 | 403:
            return (CHALLENGE,)
        case 429:
            return (RETRY_AFTER, RETRY_AFTER_MS)
        case 503 | 409:
            return (RETRY_AFTER,)
    return ()


def status_of(refusal: Refusal) -> int:
    """Returns the HTTP status of an error class."""
    if issubclass(refusal, GridpressError):
        return refusal.http_status
    assert refusal.code
    return refusal.code


def code_of(refusal: Refusal) -> str:
    """Returns the stable error code of an error class."""
    return refusal.code if issubclass(refusal, GridpressError) else code_for(status_of(refusal))


def _meaning(refusal: Refusal) -> str:
    """Returns the description of an error class for the OpenAPI document: the first paragraph of its docstring."""
    text = refusal.__doc__ if issubclass(refusal, GridpressError) else words_for(status_of(refusal))
    return " ".join((text or "").split("\n\n")[0].split())


def _shape(body: Any) -> Model:
    """Returns the model in `SHAPES` that matches the body of an error response.

    The models are problem details (RFC 9457) and the errors of OpenAI and Z.ai.
    """
    for shape in SHAPES:
        try:
            shape.model_validate(body, extra="forbid")
        except ValidationError:
            continue
        return shape
    raise AssertionError(f"no shape for {body}")
