"""Validates what a caller sent with a pydantic model, and reports the invalid fields."""

from collections.abc import Sequence
from itertools import islice
from typing import TypeVar

from pydantic import BaseModel, ValidationError

from shared.errors import InvalidRequest

Model = TypeVar("Model", bound=BaseModel)

_MAX_FAULTS = 20  # a body may hold a million unknown fields


class FieldError(BaseModel):
    """One invalid field of a request."""

    field: str | None
    message: str


class InvalidFields(InvalidRequest):
    """Raised for fields that are missing, unknown or out of range; `field` is the first of `errors`."""

    def __init__(self, errors: Sequence[FieldError]) -> None:
        super().__init__(errors[0].message, errors[0].field)
        self.errors = errors


def validated(model: type[Model], fields: object, *, is_text: bool = False) -> Model:
    """Returns the validated model. With `is_text` all values are text, as in a form, and are converted.

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
    """Drops unknown fields beyond the number that is reported, since each costs an error."""
    if not isinstance(fields, dict) or len(fields) <= _MAX_FAULTS:
        return fields
    unknown = set(islice((name for name in fields if name not in model.model_fields), _MAX_FAULTS, None))
    return {name: value for name, value in fields.items() if name not in unknown}


def _name(location: Sequence[int | str]) -> str | None:
    """Returns a location as text: `("images", 2)` is `images[2]`."""
    name = ""
    for part in location:
        if isinstance(part, int):
            name += f"[{part}]"
        elif part != "[key]":  # pydantic's mark for the key of a mapping
            name += f".{part}" if name else part
    return name or None
