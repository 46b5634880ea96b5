"""Types that describe one route for the OpenAPI document. Its path, methods and path parameters come from Flask."""

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
    """The description of a header field of requests or responses, for the OpenAPI document."""

    name: str
    description: str
    schema: Json = field(default_factory=lambda: {"type": "string"})
    is_required: bool = False


@dataclass(frozen=True, slots=True)
class Response:
    """Describes a successful response. `model` is the schema of its JSON; `media` has other formats by media type."""

    description: str
    model: Model | None = None
    media: Mapping[str, Json] = field(default_factory=dict)
    fields: tuple[Field, ...] = ()
    examples: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Body:
    """Describes a request body. `model` is the schema of its JSON; `media` has other formats by media type."""

    model: Model | None = None
    is_required: bool = True
    media: Mapping[str, Json] = field(default_factory=dict)
    examples: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Operation:
    """Describes one route for the OpenAPI document.

    `name` is the operationId. It never changes, since generated clients name their methods after it. `refusals` are the
    errors that only this route has. The document adds the errors that all routes of its kind share. `arguments` has the
    schemas of those arguments of the path that can't be any text, by name.
    """

    name: str
    tag: str
    summary: str
    responses: Mapping[int, Response]
    refusals: Refusals = ()
    body: Body | None = None
    query: Model | None = None
    fields: tuple[Field, ...] = ()
    arguments: Mapping[str, Json] = field(default_factory=dict)
