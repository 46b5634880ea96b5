"""Turns what a caller sent into a model, or says which of its fields are wrong."""

from collections.abc import Sequence
from itertools import islice
from typing import TypeVar

from pydantic import BaseModel, ValidationError

from shared.errors import InvalidRequest

Model = TypeVar("Model", bound=BaseModel)

_MAX_FAULTS = 20  # a body may hold a million unknown fields


class FieldError(BaseModel):
    """One thing that is wrong with a request."""

    field: str | None
    message: str


class InvalidFields(InvalidRequest):
    """Fields that are missing, unknown or out of range; `field` is the first of `errors`."""

    def __init__(self, errors: Sequence[FieldError]) -> None:
        super().__init__(errors[0].message, errors[0].field)
        self.errors = errors


def validated(model: type[Model], fields: object, *, is_text: bool = False) -> Model:
    """With `is_text` every value came as text, as in a form, and is read as what its field is.

    Raises `InvalidFields`.
    """
    fields = _with_few_unknown(model, fields)
    try:
        return model.model_validate_strings(fields, strict=False) if is_text else model.model_validate(fields)
    except ValidationError as error:
        # Neither the input nor a context is kept: either may hold a secret.
        faults = error.errors(include_url=False, include_context=False, include_input=False)[:_MAX_FAULTS]
    raise InvalidFields([FieldError(field=_name(fault["loc"]), message=fault["msg"]) for fault in faults])


def _with_few_unknown(model: type[BaseModel], fields: object) -> object:
    """No more unknown fields than are told of: each costs an error."""
    if not isinstance(fields, dict) or len(fields) <= _MAX_FAULTS:
        return fields
    unknown = set(islice((name for name in fields if name not in model.model_fields), _MAX_FAULTS, None))
    return {name: value for name, value in fields.items() if name not in unknown}


def _name(location: Sequence[int | str]) -> str | None:
    """`("images", 2)` -> `images[2]`."""
    name = ""
    for part in location:
        if isinstance(part, int):
            name += f"[{part}]"
        elif part != "[key]":  # pydantic's mark for the key of a mapping
            name += f".{part}" if name else part
    return name or None
