"""Reads numbers and booleans that a client sends as text, as form builders do in JSON and in multipart forms.

Converts only text that spells exactly one value of the field's type. Other text stays text, and its field is refused.
"""

import re
from collections.abc import Iterator, Mapping
from functools import cache
from types import NoneType, UnionType
from typing import Annotated, Any, Union, get_args, get_origin

from pydantic import BaseModel

_MOST_CHARS = 40
_INTEGER = re.compile(r"-?[0-9]{1,18}")
_NUMBER = re.compile(r"-?[0-9]{1,18}(\.[0-9]{1,18})?([eE][+-]?[0-9]{1,3})?")
# The second and third pair come from HTML forms.
_BOOLEANS = {"true": True, "false": False, "on": True, "off": False, "1": True, "0": False, "yes": True, "no": False}


def with_values(model: type[BaseModel], fields: Mapping[str, Any]) -> dict[str, Any]:
    """Returns the fields of a request for `model`, with the values of numbers and booleans instead of their text."""
    kinds = _kinds(model)
    return {name: _value(kinds[name], value) if name in kinds else value for name, value in fields.items()}


def _value(kind: type, value: Any) -> Any:
    if issubclass(kind, BaseModel):
        return with_values(kind, value) if isinstance(value, dict) else value
    if not isinstance(value, str) or len(value) > _MOST_CHARS:
        return value
    text = value.strip()
    if kind is bool:
        return _BOOLEANS.get(text.lower(), value)
    if kind is int:
        return int(text) if _INTEGER.fullmatch(text) else value
    return float(text) if _NUMBER.fullmatch(text) else value


@cache
def _kinds(model: type[BaseModel]) -> Mapping[str, type]:
    """Returns the type of each field of `model` that is a number, a boolean or another model. It may also be null."""
    found = {name: set(_types(field.annotation)) - {NoneType} for name, field in model.model_fields.items()}
    kinds = {name: next(iter(types)) for name, types in found.items() if len(types) == 1}
    return {name: kind for name, kind in kinds.items() if kind in (bool, int, float) or _is_model(kind)}


def _types(annotation: Any) -> Iterator[Any]:
    origin = get_origin(annotation)
    if origin is Annotated:
        yield from _types(get_args(annotation)[0])
    elif origin in (Union, UnionType):
        for each in get_args(annotation):
            yield from _types(each)
    else:
        yield annotation


def _is_model(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, BaseModel)
