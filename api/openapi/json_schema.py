"""Generates the JSON schemas of request and response bodies in a form that generators of clients understand.

No field of a body has a `default`. openapi-typescript would make the field required, and openapi-python-client would
send the default, which is not the same as leaving the field out: a PATCH would overwrite the stored value with it.
"""

import json
from collections.abc import Iterable
from typing import Any

from pydantic.json_schema import GenerateJsonSchema, JsonSchemaMode, models_json_schema
from pydantic_core import core_schema

from api.openapi.operation import Json, Model

REFERENCE = "#/components/schemas/{model}"

_NULL = {"type": "null"}


class FieldSchemas(GenerateJsonSchema):
    """Generates schemas whose fields have no titles. Their titles would only repeat their names."""

    def field_title_should_be_set(self, schema: Any) -> bool:
        return False


class _BodySchemas(FieldSchemas):
    """Generates the schemas of bodies. Mode `validation` is for requests, and `serialization` for responses."""

    def model_schema(self, schema: core_schema.ModelSchema) -> Json:
        found = super().model_schema(schema)
        if "properties" in found:
            (_tell_defaults if self.mode == "validation" else _require_sent_fields)(found)
        return found


def body_schemas(models: Iterable[tuple[Model, JsonSchemaMode]]) -> Json:
    """Returns the schemas of the models, and of all models in their fields, by name."""
    ordered = sorted(models, key=lambda pair: (pair[0].__name__, pair[1]))
    _, found = models_json_schema(ordered, ref_template=REFERENCE, schema_generator=_BodySchemas)
    schemas: Json = found["$defs"]
    return schemas


def without_null(schema: Json) -> Json:
    """Returns the schema of a field that is left out instead of being null or empty: without the type null, and
    without a default that is null or empty.
    """
    schema = {key: value for key, value in schema.items() if key != "default" or value not in (None, [])}
    kinds = [kind for kind in schema.pop("anyOf", ()) if kind != _NULL]
    return {**schema, **({"anyOf": kinds} if len(kinds) > 1 else kinds[0] if kinds else {})}


def leave_unchanged(schema: Json) -> None:
    """Changes the schema of a PATCH body, in which a field that is left out stays unchanged. Removes the defaults.

    It is for `json_schema_extra` of the model.
    """
    for field in schema["properties"].values():
        field.pop("default", None)


def _tell_defaults(schema: Json) -> None:
    """Moves the defaults of a request's fields to their descriptions. Empty defaults need no words."""
    for field in schema["properties"].values():
        default = field.pop("default", None)
        if default is not None and default != "" and not isinstance(default, dict | list):
            words = f"Default: {default if isinstance(default, str) else json.dumps(default)}"
            field["description"] = f"{field['description']}. {words}" if "description" in field else words


def _require_sent_fields(schema: Json) -> None:
    """Marks the fields that every response has as required. The other fields are left out while they are null."""
    fields, needed = schema["properties"], set(schema.get("required", ()))
    sent = [name for name, field in fields.items() if name in needed or field.get("default") is not None]
    for name, field in fields.items():
        field.pop("default", None)
        fields[name] = field if name in sent else without_null(field)
    schema["required"] = sent


def referenced(schemas: Json, *roots: Json) -> Json:
    """Returns the schemas that `roots` refer to, directly or through other schemas."""
    names, found = [name for root in roots for name in _names(root)], set[str]()
    while names:
        name = names.pop()
        if name not in found:
            found.add(name)
            names += _names(schemas[name])
    return {name: schema for name, schema in schemas.items() if name in found}


def _names(node: Any) -> list[str]:
    """Returns the names of the schemas to which a part of the document refers."""
    if isinstance(node, list):
        return [name for each in node for name in _names(each)]
    if not isinstance(node, dict):
        return []
    prefix = REFERENCE.format(model="")
    own = node.get("$ref")
    below = [name for each in node.values() for name in _names(each)]
    return [own.removeprefix(prefix), *below] if isinstance(own, str) and own.startswith(prefix) else below
