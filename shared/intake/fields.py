"""Validates the fields of a request with a pydantic model, and reports the invalid fields."""

from collections.abc import Sequence
from itertools import islice
from typing import TypeVar

from pydantic import BaseModel, ValidationError

from shared.errors import InvalidRequest
from shared.intake.text_values import with_values
from shared.wording.sentences import Wording

Model = TypeVar("Model", bound=BaseModel)

_MAX_FAULTS = 20  # reported errors; a body may contain a million unknown fields


class FieldError(BaseModel):
    """One invalid field of a request, with the reason."""

    field: str | None
    message: str


class InvalidFields(InvalidRequest):
    """Raised for fields of a request that are missing, unknown or invalid. `field` is the name of the first field in
    `errors`.
    """

    def __init__(self, errors: Sequence[FieldError]) -> None:
        super().__init__(errors[0].message, errors[0].field)
        self.errors = errors


def validated(model: type[Model], fields: object, *, is_text: bool = False, most_errors: int = _MAX_FAULTS) -> Model:
    """Validates the fields of a request and returns them as an instance of `model`. With `is_text`, all values are
    text, as in an HTML form, and are converted. Without it, numbers and booleans may be text, as form builders send
    them.

    Raises `InvalidFields` with at most `most_errors` errors. Each takes up to 0.1 ms to word.
    """
    fields = _with_few_unknown(model, fields)
    # Models of query parameters are not strict: pydantic converts their text itself.
    if isinstance(fields, dict) and not is_text and model.model_config.get("strict"):
        fields = with_values(model, fields)
    try:
        return model.model_validate_strings(fields, strict=False) if is_text else model.model_validate(fields)
    except ValidationError as error:
        flaws = Wording(model).flaws(error, most_errors)
    raise InvalidFields([FieldError(field=flaw.field, message=flaw.message) for flaw in flaws])


def _with_few_unknown(model: type[BaseModel], fields: object) -> object:
    """Returns the fields without most of the unknown ones. At most 20 unknown fields remain, the number that is
    reported.

    Each unknown field causes an error in pydantic, and a body may contain a million of them.
    """
    if not isinstance(fields, dict) or len(fields) <= _MAX_FAULTS:
        return fields
    unknown = set(islice((name for name in fields if name not in model.model_fields), _MAX_FAULTS, None))
    return {name: value for name, value in fields.items() if name not in unknown}
