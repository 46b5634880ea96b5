"""What one entry of the document says. Knows no route: paths, methods and path parameters are the app's own."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from pydantic import BaseModel
from werkzeug.exceptions import HTTPException

from shared.errors import GridpressError

Json = dict[str, Any]
Model = type[BaseModel]
Refusal = type[GridpressError | HTTPException]
Refusals = tuple[Refusal, ...]


@dataclass(frozen=True, slots=True)
class Field:
    """A header field of a request or an answer."""

    name: str
    description: str
    schema: Json = field(default_factory=lambda: {"type": "string"})


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer of success. `model` is its JSON; `media` what else it may be, by media type."""

    description: str
    model: Model | None = None
    media: Mapping[str, Json] = field(default_factory=dict)
    fields: tuple[Field, ...] = ()
    examples: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Body:
    """What a request sends: JSON of `model`, or one of `media`, by media type."""

    model: Model | None = None
    is_required: bool = True
    media: Mapping[str, Json] = field(default_factory=dict)
    examples: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Operation:
    """One route as callers read it. Refusals that all routes of its kind share are added when it is told.

    `name` is its operationId, which generated clients call their method by: it never changes.
    """

    name: str
    tag: str
    summary: str
    answers: Mapping[int, Answer]
    refusals: Refusals = ()
    body: Body | None = None
    query: Model | None = None
    fields: tuple[Field, ...] = ()
