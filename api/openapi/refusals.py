"""The error responses of each operation in the OpenAPI document, made by the code that sends them."""

import json
from collections import defaultdict
from collections.abc import Sequence
from typing import Any

from pydantic import ValidationError
from werkzeug.exceptions import UnsupportedMediaType

from api.openapi.fields import CHALLENGE, RETRY_AFTER, RETRY_AFTER_MS
from api.openapi.operation import Field, Json, Model, Operation, Refusal, Refusals
from api.openapi.schemas import OpenAiError, ZaiError
from api.problems.dialects import told
from api.problems.errors import (
    ForbiddenHost,
    ForbiddenOrigin,
    ForbiddenProxy,
    IdempotencyKeyReused,
    MissingScope,
    RequestInProgress,
    Unauthorized,
)
from api.problems.handlers import Problem, problem
from shared.errors import (
    GridpressError,
    InvalidRequest,
    PayloadTooLarge,
    StoreUnavailable,
    TenantLimitReached,
)

SHAPES: tuple[Model, ...] = (Problem, OpenAiError, ZaiError)

_INSTANCE = "/v1/jobs"  # of the examples
_OPEN: Refusals = (ForbiddenHost, ForbiddenOrigin, ForbiddenProxy)
_KEYED: Refusals = (Unauthorized, MissingScope, *_OPEN, TenantLimitReached, StoreUnavailable)
_OF_A_BODY: Refusals = (InvalidRequest, PayloadTooLarge, UnsupportedMediaType)
_OF_AN_IDEMPOTENCY_KEY: Refusals = (InvalidRequest, RequestInProgress, IdempotencyKeyReused)


def refusals_of(operation: Operation, method: str, *, takes_key: bool) -> Refusals:
    """Returns the errors of an operation: its own, and those of every operation of its kind."""
    found = [*operation.refusals]
    found += _KEYED if takes_key else _OPEN
    found += _OF_A_BODY if operation.body else ()
    found += _OF_AN_IDEMPOTENCY_KEY if method == "POST" else ()
    found += (InvalidRequest,) if operation.query else ()
    return tuple(dict.fromkeys(found))


def by_status(refusals: Refusals) -> dict[int, list[Refusal]]:
    """Groups the errors by HTTP status, in ascending order. One status may have several codes."""
    grouped = defaultdict(list)
    for refusal in refusals:
        grouped[status_of(refusal)].append(refusal)
    return dict(sorted(grouped.items()))


class SharedRefusals:
    """Collects error responses that many operations share, so that the document has each once, under `responses`."""

    def __init__(self) -> None:
        self.responses: Json = {}

    def reference(self, status: int, refusals: Sequence[Refusal], path: str, headers: Json) -> Json:
        """Returns a reference to the error response of this status on this path."""
        bodies = {code_of(refusal): told(_problem(refusal), path) for refusal in refusals}
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
    """Returns the header fields of error responses with this status."""
    match status:
        case 401 | 403:
            return (CHALLENGE,)
        case 429:
            return (RETRY_AFTER, RETRY_AFTER_MS)
        case 503 | 409:
            return (RETRY_AFTER,)
    return ()


def status_of(refusal: Refusal) -> int:
    """Returns the HTTP status of an error."""
    if issubclass(refusal, GridpressError):
        return refusal.http_status
    assert refusal.code
    return refusal.code


def code_of(refusal: Refusal) -> str:
    """Returns the stable code of an error."""
    return refusal.code if issubclass(refusal, GridpressError) else refusal().name.lower().replace(" ", "_")


def _problem(refusal: Refusal) -> Problem:
    is_retryable = issubclass(refusal, GridpressError) and refusal.retryable
    return problem(status_of(refusal), code_of(refusal), _meaning(refusal), _INSTANCE, retryable=is_retryable)


def _meaning(refusal: Refusal) -> str:
    """Returns the first paragraph of the error's docstring."""
    text = refusal.__doc__ if issubclass(refusal, GridpressError) else refusal.description
    return " ".join((text or "").split("\n\n")[0].split())


def _shape(body: Any) -> Model:
    """Returns the first of `SHAPES` that the body matches."""
    for shape in SHAPES:
        try:
            shape.model_validate(body, extra="forbid")
        except ValidationError:
            continue
        return shape
    raise AssertionError(f"no shape for {body}")
