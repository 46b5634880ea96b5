import json
import re
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from flask.testing import FlaskClient
from openapi_schema_validator import OAS31Validator
from openapi_spec_validator import OpenAPIV31SpecValidator, validate

from api.app import create_app
from api.openapi import examples
from api.service import openapi_route as route
from api.service.openapi_document import routes
from api.service.openapi_entries import OPERATIONS, TAGS
from api.services import Services
from shared.intake.request import JobRequest
from shared.responses.schemas import JobResponse
from tests.fixtures.documents import openapi_document

Json = dict[str, Any]


@pytest.fixture(scope="module")
def document() -> Json:
    return json.loads(openapi_document())


def references(node: Any) -> Iterator[str]:
    if isinstance(node, dict):
        yield from (node["$ref"],) if isinstance(node.get("$ref"), str) else ()
        for value in node.values():
            yield from references(value)
    elif isinstance(node, list):
        for value in node:
            yield from references(value)


def operations(document: Json) -> Iterator[tuple[str, str, Json]]:
    for path, item in document["paths"].items():
        for method, operation in item.items():
            yield path, method, operation


def answers(document: Json, operation: Json) -> Iterator[tuple[str, Json]]:
    """Status and answer, those that are shared as what they refer to."""
    for status, answer in operation["responses"].items():
        if "$ref" in answer:
            yield status, document["components"]["responses"][answer["$ref"].rpartition("/")[2]]
        else:
            yield status, answer


def test_the_document_is_openapi(document: Json) -> None:
    validate(document, cls=OpenAPIV31SpecValidator)


def test_every_route_has_an_entry_and_every_entry_a_route(http: FlaskClient, document: Json) -> None:
    app = http.application
    assert {rule.endpoint for rule, _ in routes(app)} == OPERATIONS.keys()
    told = {
        (re.sub(r"<(?:\w+:)?(\w+)>", r"{\1}", rule.rule), method.lower())
        for rule in app.url_map.iter_rules()
        for method in rule.methods or ()
        if method not in ("HEAD", "OPTIONS")
    }
    assert {(path, method) for path, method, _ in operations(document)} == told


def test_clients_can_be_generated_from_it(document: Json) -> None:
    names = [operation["operationId"] for _, _, operation in operations(document)]
    assert len(set(names)) == len(names)
    assert all(re.fullmatch(r"[a-z][A-Za-z]+", name) for name in names)
    assert {operation["tags"][0] for _, _, operation in operations(document)} == TAGS.keys()


def test_every_example_fits_its_schema(document: Json) -> None:
    shown = [media for media in media_types(document) if "examples" in media]
    assert len(shown) > len(OPERATIONS)
    for media in shown:
        validator = OAS31Validator({**media["schema"], "components": document["components"]})
        for example in media["examples"].values():
            validator.validate(example["value"])


def media_types(node: Any) -> Iterator[Json]:
    if isinstance(node, dict):
        yield from node["content"].values() if isinstance(node.get("content"), dict) else ()
        for value in node.values():
            yield from media_types(value)
    elif isinstance(node, list):
        for value in node:
            yield from media_types(value)


def test_every_json_answer_has_an_example(document: Json) -> None:
    for _, _, operation in operations(document):
        for _, answer in answers(document, operation):
            for kind, media in answer.get("content", {}).items():
                assert not kind.endswith("json") or "examples" in media or media["schema"] == {"type": "object"}


def test_refusals_are_in_the_shape_of_their_door(document: Json) -> None:
    shapes = {"/v1/jobs": "Problem", "/paas/v4/images/generations": "ZaiError", "/v1/files": "OpenAiError"}
    for path, shape in shapes.items():
        refused = dict(answers(document, document["paths"][path]["post"]))["400"]
        [media] = refused["content"].values()
        assert media["schema"]["$ref"].endswith(f"/{shape}")
        assert "invalid_request" in media["examples"]


def test_header_fields_are_told(document: Json) -> None:
    create = document["paths"]["/v1/jobs"]["post"]
    assert {field["name"] for field in create["parameters"]} == {"Prefer", "Idempotency-Key"}
    told = dict(answers(document, create))
    assert all("x-request-id" in answer["headers"] for answer in told.values())
    assert {"Location", "Retry-After", "Preference-Applied", "RateLimit"} <= told["202"]["headers"].keys()
    assert {"Retry-After", "retry-after-ms"} <= told["429"]["headers"].keys()
    assert "WWW-Authenticate" in told["401"]["headers"]
    events = document["paths"]["/v1/jobs/{job_id}/events"]["get"]
    assert "Last-Event-ID" in {field["name"] for field in events["parameters"]}


def test_every_reference_leads_somewhere(document: Json) -> None:
    found = set(references(document))
    assert found
    for reference in found:
        node = document
        for part in reference.removeprefix("#/").split("/"):
            node = node[part]
        assert node


def test_every_path_parameter_is_described(document: Json) -> None:
    for path, _, operation in operations(document):
        described = [p["name"] for p in operation["parameters"] if p["in"] == "path"]
        assert sorted(described) == sorted(re.findall(r"{(\w+)}", path))


def test_every_operation_says_what_it_is_and_what_it_answers(document: Json) -> None:
    assert document["openapi"].startswith("3.1.")
    for _, _, operation in operations(document):
        assert operation["summary"]
        assert operation["description"]
        told = dict(answers(document, operation))
        assert all(answer["description"] for answer in told.values())
        assert any(status.startswith("2") for status in told)


def test_the_limits_are_this_services_own(http: FlaskClient) -> None:
    answer = http.get("/openapi.json")
    assert (answer.status_code, answer.content_type) == (200, "application/json")
    fields = answer.get_json()["components"]["schemas"]["JobRequest"]["properties"]
    for name, limit in (("n", "maximum"), ("num_inference_steps", "maximum")):
        refused = http.post("/v1/jobs", json={"prompt": "a", name: fields[name][limit] + 1})
        assert refused.get_json()["field"] == name
    assert "maxLength" in fields["prompt"]
    assert fields["webhook_secret"]["writeOnly"] is True


def test_answers_have_no_secret_to_describe(document: Json) -> None:
    assert "webhook_secret" not in document["components"]["schemas"]["JobResponse"]["properties"]


@pytest.mark.parametrize("name", examples.REQUESTS)
def test_every_example_is_accepted_as_it_stands(http: FlaskClient, document: Json, name: str) -> None:
    content = document["paths"]["/v1/jobs"]["post"]["requestBody"]["content"]["application/json"]
    answer = http.post("/v1/jobs", json=content["examples"][name]["value"])
    assert answer.status_code == 202, answer.text


def test_the_schema_of_a_request_is_what_is_validated(document: Json) -> None:
    schema = document["components"]["schemas"]["JobRequest"]
    assert set(schema["properties"]) == set(JobRequest.model_fields)
    assert schema["additionalProperties"] is False
    assert "required" not in schema  # a `prior` stands for a prompt, which only the description can say


def test_the_schema_of_a_job_is_what_is_answered(http: FlaskClient, document: Json) -> None:
    schema = document["components"]["schemas"]["JobResponse"]
    answered = http.post("/v1/jobs", json={"prompt": "a"}).get_json()
    example = document["paths"]["/v1/jobs/{job_id}"]["get"]["responses"]["200"]["content"]["application/json"]
    assert set(schema["properties"]) == set(schema["required"]) == set(answered)
    assert set(example["examples"]["succeeded"]["value"]) == set(answered)
    assert JobResponse.model_validate(answered)


@pytest.mark.attack
def test_the_document_is_built_once_whatever_host_is_asked_for(
    house: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Building it takes 0.1 s, in which nobody else is served."""
    settings = house.settings.model_copy(update={"trusted_proxies": "127.0.0.1"})
    http = create_app(replace(house, settings=settings)).test_client()
    built = list[object]()
    plain = route.document
    monkeypatch.setattr(route, "document", lambda *args: built.append(args) or plain(*args))
    for number in range(3):
        answer = http.get("/openapi.json", headers={"Host": f"localhost:800{number}"})
        assert answer.get_json()["servers"] == [{"url": "/"}]
    assert len(built) == 1
