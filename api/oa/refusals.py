"""Refusals in the document: which an operation may answer, in the words of its door, made by the code that tells them."""

import json
from collections import defaultdict
from collections.abc import Iterable
from typing import Any

from pydantic import ValidationError
from werkzeug.exceptions import HTTPException, UnsupportedMediaType

from api.dialects import told
from api.errors import (
    ForbiddenHost,
    ForbiddenOrigin,
    IdempotencyKeyReused,
    MissingScope,
    RequestInProgress,
    Unauthorized,
)
from api.oa.fields import CHALLENGE, RETRY_AFTER, RETRY_AFTER_MS
from api.oa.operation import Field, Json, Model, Operation, Refusals
from api.oa.schemas import ZaiError
from api.problems import Problem, problem
from shared.errors import (
    GridpressError,
    InvalidRequest,
    PayloadTooLarge,
    StoreUnavailable,
    TenantLimitReached,
)

SHAPES: tuple[Model, ...] = (Problem, ZaiError)

_KEYED: Refusals = (Unauthorized, MissingScope, ForbiddenHost, ForbiddenOrigin, TenantLimitReached, StoreUnavailable)
_OF_A_BODY: Refusals = (InvalidRequest, PayloadTooLarge, UnsupportedMediaType)
_OF_AN_IDEMPOTENCY_KEY: Refusals = (InvalidRequest, RequestInProgress, IdempotencyKeyReused)


def refusals_of(operation: Operation, method: str, *, takes_key: bool) -> Refusals:
    """Its own, and those of every route of its kind."""
    found = [*operation.refusals]
    found += _KEYED if takes_key else (ForbiddenHost, ForbiddenOrigin)
    found += _OF_A_BODY if operation.body else ()
    found += _OF_AN_IDEMPOTENCY_KEY if method == "POST" else ()
    found += (InvalidRequest,) if operation.query else ()
    return tuple(dict.fromkeys(found))


def by_status(refusals: Refusals) -> dict[int, list[type[GridpressError | HTTPException]]]:
    """In the order of their statuses; one status may have several codes."""
    grouped = defaultdict(list)
    for refusal in refusals:
        grouped[status_of(refusal)].append(refusal)
    return dict(sorted(grouped.items()))


def response(refusals: Iterable[type[GridpressError | HTTPException]], path: str) -> Json:
    """The answer of one status on this path without its header fields."""
    bodies = {code_of(refusal): told(_problem(refusal, path), path) for refusal in refusals}
    examples = {code: json.loads(body) for code, (body, _) in bodies.items()}
    shape = _shape(next(iter(examples.values())))
    [content_type] = {content_type for _, content_type in bodies.values()}
    content = {
        "schema": {"$ref": f"#/components/schemas/{shape.__name__}"},
        "examples": {code: {"value": body} for code, body in examples.items()},
    }
    description = "; ".join(f"`{code_of(refusal)}`: {_meaning(refusal)}" for refusal in refusals)
    return {"description": description, "content": {content_type: content}}


def fields_of(status: int) -> tuple[Field, ...]:
    """Header fields that come with refusals of this status."""
    match status:
        case 401 | 403:
            return (CHALLENGE,)
        case 429:
            return (RETRY_AFTER, RETRY_AFTER_MS)
        case 503 | 409:
            return (RETRY_AFTER,)
    return ()


def status_of(refusal: type[GridpressError | HTTPException]) -> int:
    """Its HTTP status."""
    if issubclass(refusal, GridpressError):
        return refusal.http_status
    assert refusal.code
    return refusal.code


def code_of(refusal: type[GridpressError | HTTPException]) -> str:
    """Its stable name."""
    return refusal.code if issubclass(refusal, GridpressError) else refusal().name.lower().replace(" ", "_")


def _problem(refusal: type[GridpressError | HTTPException], path: str) -> Problem:
    is_ours = issubclass(refusal, GridpressError)
    is_retryable = is_ours and refusal.retryable is True
    return problem(status_of(refusal), code_of(refusal), _meaning(refusal), path, retryable=is_retryable)


def _meaning(refusal: type[GridpressError | HTTPException]) -> str:
    """The first paragraph of what the class says about itself."""
    text = refusal.__doc__ if issubclass(refusal, GridpressError) else refusal.description
    return " ".join((text or "").split("\n\n")[0].split())


def _shape(body: Any) -> Model:
    """The first that the body has. A door that answers in another is missing from `SHAPES`."""
    for shape in SHAPES:
        try:
            shape.model_validate(body, extra="forbid")
        except ValidationError:
            continue
        return shape
    raise AssertionError(f"no shape for {body}")
