"""Turns pydantic's errors into sentences: the field, what it must be, what came and what was probably meant.

No text of pydantic appears in a sentence, whatever the kind of the error is.
"""

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import get_args

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails
from pydantic_core.core_schema import ErrorType

from shared.wording.expected import Place, Schema, choices, expected, members, place_of, schema_of, variants
from shared.wording.values import nearest, quoted, short_name, why_absent, with_field

_OF_PYDANTIC = frozenset(get_args(ErrorType))  # all other kinds are our own, and so are their messages
_MOST_LISTED = 12  # names of fields in one sentence
_LENGTHS = frozenset({"string_too_short", "string_too_long", "too_short", "too_long"})
_SECRETS = ("secret", "key", "token", "password", "headers", "url")  # parts of names of fields that may hold a secret
_PLAIN = frozenset({"integer", "number", "boolean"})


@dataclass(frozen=True, slots=True)
class Flaw:
    """One invalid value. `field` is its path as in the request, `kind` is pydantic's name for the kind of the error."""

    field: str | None
    kind: str
    message: str
    value: object = dataclasses.field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class Wording:
    """Words the errors of one model.

    `whole` stands for the whole input in sentences. `name_of` returns the name of a field in sentences. With
    `hides_text`, only numbers, booleans and values of choices are quoted.
    """

    model: type[BaseModel]
    whole: str = "the request"
    name_of: Callable[[str], str] = short_name
    hides_text: bool = False

    def flaws(self, error: ValidationError, most: int | None = None) -> Sequence[Flaw]:
        """Returns the invalid values: one error for each field, of the first `most` errors."""
        found: dict[str | None, Flaw] = {}
        for fault in error.errors(include_url=False)[:most]:
            place = place_of(self._root, fault["loc"])
            found.setdefault(place.name, Flaw(place.name, fault["type"], self._sentence(fault, place), fault["input"]))
        return list(found.values())

    @property
    def _root(self) -> Schema:
        return schema_of(self.model)

    def _sentence(self, fault: ErrorDetails, place: Place) -> str:
        name = self.whole if place.name is None else self.name_of(place.name)
        word = _SENTENCES.get(fault["type"], Wording._wrong if fault["type"] in _OF_PYDANTIC else Wording._own)
        return word(self, name, fault, place)

    def _missing(self, name: str, _: ErrorDetails, place: Place) -> str:
        return f"{name} is missing: it must be {self._expected(place)}"

    def _unknown(self, name: str, fault: ErrorDetails, _: Place) -> str:
        *around, own_name = fault["loc"]
        place = place_of(self._root, around)
        known = members(self._root, place.schema)
        if why := why_absent(str(own_name)):
            return f"{name} is not known here: {why}"
        meant = nearest(str(own_name), known)
        if meant:
            return f"{name} is not known here: did you mean {f'{place.name}.{meant}' if place.name else meant}?"
        if not 0 < len(known) <= _MOST_LISTED:
            return f"{name} is not known here; /openapi.json has the known names"
        return f"{name} is not known here; known names: {', '.join(known)}"

    def _superfluous(self, name: str, _: ErrorDetails, place: Place) -> str:
        description = place.schema.get("description")
        return f"{name} must be left out" + (f": {description}" if description else "")

    def _unreadable_name(self, name: str, _fault: ErrorDetails, _place: Place) -> str:
        return f"a name in {name} is not valid Unicode"

    def _no_json(self, name: str, _fault: ErrorDetails, _place: Place) -> str:
        return f"{name} is not valid JSON"

    def _own(self, name: str, fault: ErrorDetails, place: Place) -> str:
        """Words an error of a validator of ours, whose message begins with a verb or is a whole sentence."""
        error = fault.get("ctx", {}).get("error")
        message = str(error) if error else fault["msg"]
        came = self._came(fault, place) if message.startswith("must be") else ""
        return f"{name} {message}{came}" if message.startswith(("must ", "applies ")) else with_field(name, message)

    def _wrong(self, name: str, fault: ErrorDetails, place: Place) -> str:
        if place.name is None:
            return f"{name} must be a JSON object, not {quoted(fault['input'])}"
        subject = f"{name}: this name" if place.is_key else name
        return f"{subject} must be {self._expected(place)}{self._came(fault, place)}"

    def _expected(self, place: Place) -> str:
        return expected(self._root, place.schema)

    def _came(self, fault: ErrorDetails, place: Place) -> str:
        """Returns the end of a sentence: the value that came, and what was probably meant."""
        value = fault["input"]
        if fault["type"] in _LENGTHS:
            return f", not of {len(value)}"
        if self._is_hidden(place):
            return ""
        return self._came_text(value, fault, place) if isinstance(value, str) else f", not {quoted(value)}"

    def _came_text(self, text: str, fault: ErrorDetails, place: Place) -> str:
        if known := choices(self._root, place.schema):
            meant = nearest(text, known)
            return f", not {quoted(text)}" + (f": did you mean {meant}?" if meant else "")
        kinds = {each.get("type") for each in variants(self._root, place.schema)}
        if "array" in kinds:
            return ", not one text: put it in brackets"
        if not fault["type"].endswith("_type") or not kinds <= _PLAIN:
            return f", not {quoted(text)}"
        return f", not the text {quoted(text)}"

    def _is_hidden(self, place: Place) -> bool:
        if place.name is None or any(part in place.name.lower() for part in _SECRETS):
            return True
        kinds = {each.get("type") for each in variants(self._root, place.schema)}
        return self.hides_text and not (kinds <= _PLAIN or choices(self._root, place.schema))


_SENTENCES: Mapping[str, Callable[[Wording, str, ErrorDetails, Place], str]] = {
    "missing": Wording._missing,
    "extra_forbidden": Wording._unknown,
    "none_required": Wording._superfluous,
    "invalid_key": Wording._unreadable_name,
    "string_unicode": Wording._unreadable_name,
    "json_invalid": Wording._no_json,
    "path_type": Wording._wrong,  # pydantic does not list this kind of error among its own
    "value_error": Wording._own,
    "assertion_error": Wording._own,
}
