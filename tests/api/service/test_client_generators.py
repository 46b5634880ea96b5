"""The OpenAPI document has nothing that generators of clients stumble over."""

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest
from openapi_schema_validator import OAS31Validator

from api.batches.order import BatchChange
from api.openapi.json_schema import body_schemas
from api.webhooks.schemas import EndpointPatch
from shared.responses.schemas import JobResponse, RenderErrorResponse
from tests.fixtures.documents import openapi_document

Json = dict[str, Any]

NULL = {"type": "null"}
KINDS = {"type", "$ref", "anyOf"}  # a schema without any of them permits everything


@pytest.fixture(scope="module")
def document() -> Json:
    return json.loads(openapi_document())


def schemas_in(node: Any, place: str = "") -> Iterator[tuple[str, Json]]:
    """Every schema of the document with its place, those within schemas as well. Examples have none."""
    if isinstance(node, list):
        for index, each in enumerate(node):
            yield from schemas_in(each, f"{place}/{index}")
    if not isinstance(node, dict):
        return
    below = {key: value for key, value in node.items() if key not in ("examples", "securitySchemes", "default")}
    for key, value in below.items():
        here = f"{place}/{key}"
        if key in ("properties", "schemas"):
            yield from ((f"{here}/{name}", schema) for name, schema in value.items())
        elif key in ("schema", "items") or (key == "additionalProperties" and isinstance(value, dict)):
            yield here, value
        elif key in ("anyOf", "oneOf", "allOf"):
            yield from ((f"{here}/{index}", schema) for index, schema in enumerate(value))
        yield from schemas_in(value, here)


def objects_in(document: Json) -> Iterator[tuple[str, Json]]:
    yield from ((place, schema) for place, schema in schemas_in(document) if "properties" in schema)


def operations(document: Json) -> Iterator[Json]:
    yield from (operation for path in document["paths"].values() for operation in path.values())


def test_every_schema_has_a_title_that_is_its_name(document: Json) -> None:
    schemas = document["components"]["schemas"]
    assert [(name, schema["title"]) for name, schema in schemas.items() if schema["title"] != name] == []
    assert [name for name in schemas if not re.fullmatch(r"[A-Z][A-Za-z0-9]+", name)] == []
    assert len({name.lower() for name in schemas}) == len(schemas)  # some generators write a file for each


def test_no_schema_has_the_name_that_a_generator_gives_to_an_operations_own_types(document: Json) -> None:
    ends = ("Data", "Response", "Responses", "Error", "Errors", "Body")
    taken = {f"{operation['operationId']}{end}".lower() for operation in operations(document) for end in ends}
    assert taken.isdisjoint({name.lower() for name in document["components"]["schemas"]})


def test_no_two_fields_of_an_object_become_one_identifier(document: Json) -> None:
    for place, schema in objects_in(document):
        names = [re.sub(r"[\W_]", "", name).lower() for name in schema["properties"]]
        assert len(set(names)) == len(names), place


@pytest.mark.parametrize("kind", ["schemas", "responses"])
def test_every_component_is_used(document: Json, kind: str) -> None:
    text = str(document)
    assert [name for name in document["components"][kind] if f"'#/components/{kind}/{name}'" not in text] == []


def test_every_schema_says_what_it_is(document: Json) -> None:
    assert [place for place, schema in schemas_in(document) if not schema.keys() & KINDS] == []


def test_no_field_is_always_null(document: Json) -> None:
    alone = [place for place, schema in schemas_in(document) if schema == NULL and "anyOf" not in place]
    assert alone == []
    assert [place for place, schema in schemas_in(document) if schema.get("type") == "null" and schema != NULL] == []


def test_no_schema_is_only_a_choice_of_required_fields(document: Json) -> None:
    assert [place for place, schema in schemas_in(document) if schema.keys() == {"required"}] == []


def test_no_body_has_a_default(document: Json) -> None:
    of_bodies = {place: schema for place, schema in schemas_in(document) if "/parameters/" not in place}
    assert [place for place, schema in of_bodies.items() if "default" in schema] == []
    assert [place for place, schema in schemas_in(document) if schema.get("default", 0) in (None, [], {})] == []


def test_descriptions_tell_defaults_except_where_a_field_that_is_left_out_stays_unchanged(document: Json) -> None:
    fields = document["components"]["schemas"]["JobRequest"]["properties"]
    assert fields["num_inference_steps"]["description"] == "number of denoise steps. Default: 50"
    assert fields["guidance_scale"]["description"] == "Default: 1.5"
    assert fields["quality"]["description"].endswith(". Default: exact")
    assert fields["embed_metadata"]["description"].endswith(". Default: true")
    changes = body_schemas([(BatchChange, "validation"), (EndpointPatch, "validation")])
    assert "Default" not in str([changes["BatchChange"], changes["EndpointPatch"]["properties"]["payload"]])


def test_a_field_of_a_response_is_either_always_sent_or_never_null(document: Json) -> None:
    schemas = document["components"]["schemas"]
    forms = [schema for _, schema in schemas_in([each.get("requestBody", {}) for each in operations(document)])]
    asked = with_those_below(schemas, forms)
    left_out = {
        f"{name}.{field}": kind
        for name, schema in schemas.items()
        if name not in asked
        for field, kind in schema.get("properties", {}).items()
        if field not in schema.get("required", ())
    }
    assert "ImageDone.url" in left_out
    assert [name for name, kind in left_out.items() if NULL in kind.get("anyOf", ())] == []


def with_those_below(schemas: Json, roots: Any) -> set[str]:
    names = re.findall(r"'#/components/schemas/(\w+)'", str(roots))
    found = set[str]()
    while names:
        name = names.pop()
        if name not in found:
            found.add(name)
            names += re.findall(r"'#/components/schemas/(\w+)'", str(schemas[name]))
    return found


def test_a_default_that_is_always_sent_stays_nullable() -> None:
    """`stage` has a default for the sake of old records, and is sent as null."""
    schema = body_schemas([(JobResponse, "serialization")])[RenderErrorResponse.__name__]
    assert "stage" in schema["required"]
    assert schema["properties"]["stage"] == {"anyOf": [{"type": "string"}, NULL]}


def test_every_success_with_a_body_describes_it(document: Json) -> None:
    for operation in operations(document):
        for status, response in operation["responses"].items():
            assert "$ref" in response or status in ("204", "302", "304") or response["content"], operation[
                "operationId"
            ]


def test_files_are_binary_strings(document: Json) -> None:
    """OpenAPI 3.1 would rather have `contentMediaType`, for which generators make a field of text."""
    assert "contentMediaType" not in str(document)
    form = document["paths"]["/v1/images/edits"]["post"]["requestBody"]["content"]["multipart/form-data"]["schema"]
    assert form["properties"]["image"]["items"] == {"type": "string", "format": "binary"}


def test_examples_have_no_field_that_their_schema_lacks(document: Json) -> None:
    closed = {
        name: {"unevaluatedProperties": False, **schema} if "additionalProperties" not in schema else schema
        for name, schema in document["components"]["schemas"].items()
    }
    components = {**document["components"], "schemas": closed}
    for path in ("/readyz", "/v1/jobs/{job_id}", "/v1/models", "/v1/stats", "/v1/batches/{batch_id}"):
        for media in document["paths"][path]["get"]["responses"]["200"]["content"].values():
            validator = OAS31Validator({**media["schema"], "components": components})
            for example in media["examples"].values():
                validator.validate(example["value"])
