"""Describes in words which values a field accepts, from the JSON schema of its model."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from pydantic import BaseModel

from shared.wording.values import listed, one_of

Schema = Mapping[str, Any]
Location = Sequence[int | str]

_KEY = "[key]"  # pydantic's mark for the key of a mapping
_TIME = "a time with its offset, such as 2026-01-05T09:30:00Z"


@dataclass(frozen=True, slots=True)
class Place:
    """The place of a value in a request. `name` is its path as in the request, such as `images[2]`.

    `schema` is the JSON schema of the value. `is_key` is true for the name of an entry in a mapping.
    """

    name: str | None
    schema: Schema
    is_key: bool = False


@cache
def schema_of(model: type[BaseModel]) -> Schema:
    """Returns the JSON schema of a model's input."""
    return model.model_json_schema()


def place_of(root: Schema, location: Location) -> Place:
    """Returns the place of the value at a location of pydantic: `("images", 2)` becomes `images[2]`.

    Left out are parts that pydantic adds and that no caller wrote: the names of the types of a union.
    """
    name, schema, around, is_key = "", root, root, False
    for part in location:
        if part == _KEY:
            schema, is_key = _names(root, around), True
        elif isinstance(part, int):
            name, around, schema = f"{name}[{part}]", schema, _items(root, schema)
        elif not _is_type_of_union(root, schema, part):
            name, around, schema = (f"{name}.{part}" if name else part), schema, _member(root, schema, part)
    return Place(name or None, resolved(root, schema), is_key)


def resolved(root: Schema, schema: Schema) -> Schema:
    """Returns the schema that a reference in `schema` names, together with what stands beside the reference."""
    reference = schema.get("$ref")
    if reference is None:
        return schema
    target: Schema = root["$defs"][reference.rpartition("/")[2]]
    return {**resolved(root, target), **{key: value for key, value in schema.items() if key != "$ref"}}


def variants(root: Schema, schema: Schema) -> list[Schema]:
    """Returns the schemas of which a value may match any, without null."""
    schema = resolved(root, schema)
    inner = [each for key in ("anyOf", "oneOf", "allOf") for each in schema.get(key, ()) if "required" not in each]
    if not inner or "properties" in schema:
        return [schema]
    around = {key: value for key, value in schema.items() if key not in ("anyOf", "oneOf", "allOf", "default")}
    found: list[Schema] = [{**around, **variant} for each in inner for variant in variants(root, each)]
    return [each for each in found if each.get("type") != "null"] or found


def choices(root: Schema, schema: Schema) -> list[str]:
    """Returns the values that a field accepts if it is a choice between texts, otherwise an empty list."""
    return [str(value) for each in variants(root, schema) for value in _values(each)]


def members(root: Schema, schema: Schema) -> list[str]:
    """Returns the names of the fields that an object may have."""
    return [name for each in variants(root, schema) for name in each.get("properties", ())]


def expected(root: Schema, schema: Schema) -> str:
    """Returns in words which values match a schema, such as `a whole number from 1 to 10`."""
    known = choices(root, schema)
    if known:
        return one_of(known)
    return one_of(list(dict.fromkeys(_described(each) for each in variants(root, schema))))


def _values(schema: Schema) -> Sequence[Any]:
    return [schema["const"]] if "const" in schema else schema.get("enum", ())


def _described(schema: Schema) -> str:
    describe = _DESCRIPTIONS.get(str(schema.get("type")))
    return describe(schema) if describe else "another value"


def _range(schema: Schema) -> str:
    least, most = schema.get("minimum"), schema.get("maximum")
    above, below = schema.get("exclusiveMinimum"), schema.get("exclusiveMaximum")
    if below is not None and schema["type"] == "integer":
        most, below = below - 1, None
    if least is not None and most is not None:
        return f" from {_plain(least)} to {_plain(most)}"
    parts = (("of at least", least), ("above", above), ("of at most", most), ("below", below))
    words = [f"{word} {_plain(bound)}" for word, bound in parts if bound is not None]
    return f" {' and '.join(words)}".replace("and of", "and") if words else ""


def _plain(bound: float) -> str:
    return str(int(bound)) if bound == int(bound) else str(bound)


def _text(schema: Schema) -> str:
    if schema.get("format") == "date-time":
        return _TIME
    examples = schema.get("examples", ())
    if examples:
        return f"text such as {examples[0]}"
    return f"text{_size(schema, 'minLength', 'maxLength', _characters)}"


def _size(schema: Schema, least: str, most: str, of_what: Callable[[int], str]) -> str:
    low: Any = schema.get(least)
    high: Any = schema.get(most)
    if low is None and high is None:
        return ""
    if low is None:
        return f" of at most {of_what(high)}"
    return f" of at least {of_what(low)}" if high is None else f" of {low} to {of_what(high)}"


def _characters(number: int) -> str:
    return f"{number} character{'s' * (number != 1)}"


def _entries(number: int) -> str:
    return f"{number} {'entry' if number == 1 else 'entries'}"


def _object(schema: Schema) -> str:
    names = schema.get("required") or list(schema.get("properties", ()))[:3]
    if names:
        return f"an object with {listed(names)}"
    return f"an object{_size(schema, 'minProperties', 'maxProperties', _entries)}"


def _items(root: Schema, schema: Schema) -> Schema:
    found = (each["items"] for each in variants(root, schema) if "items" in each)
    return next(found, {})


def _names(root: Schema, schema: Schema) -> Schema:
    found: Schema = next((each["propertyNames"] for each in variants(root, schema) if "propertyNames" in each), {})
    return {"type": "string", **found}


def _member(root: Schema, schema: Schema, name: str) -> Schema:
    for each in variants(root, schema):
        if name in each.get("properties", ()):
            found: Schema = each["properties"][name]
            return found
        if isinstance(each.get("additionalProperties"), dict):
            return dict(each["additionalProperties"])
    return {}


def _is_type_of_union(root: Schema, schema: Schema, part: str) -> bool:
    found = variants(root, schema)
    is_object = any("properties" in each or "additionalProperties" in each for each in found)
    return len(found) > 1 and not (is_object and _member(root, schema, part))


_DESCRIPTIONS: Mapping[str, Callable[[Schema], str]] = {
    "integer": lambda schema: f"a whole number{_range(schema)}",
    "number": lambda schema: f"a number{_range(schema)}",
    "boolean": lambda _: "true or false",
    "string": _text,
    "array": lambda schema: f"a list{_size(schema, 'minItems', 'maxItems', _entries)}",
    "object": _object,
    "null": lambda _: "left out",
}
