import re
from collections.abc import Iterator
from typing import Any

import pytest
from flask.testing import FlaskClient

from api import examples
from shared.intake.request import JobRequest
from shared.answers import JobAnswer

Json = dict[str, Any]


@pytest.fixture
def document(http: FlaskClient) -> Json:
    answer = http.get("/openapi.json")
    assert (answer.status_code, answer.content_type) == (200, "application/json")
    return answer.get_json()


def references(node: Any) -> Iterator[str]:
    if isinstance(node, dict):
        yield from (node["$ref"],) if isinstance(node.get("$ref"), str) else ()
        for value in node.values():
            yield from references(value)
    elif isinstance(node, list):
        for value in node:
            yield from references(value)


def test_the_document_has_every_route_and_no_other(http: FlaskClient, document: Json) -> None:
    routes = {
        (re.sub(r"<(?:\w+:)?(\w+)>", r"{\1}", rule.rule), method.lower())
        for rule in http.application.url_map.iter_rules()
        for method in rule.methods or ()
        if method in ("GET", "POST", "PUT", "PATCH", "DELETE")
    }
    assert {(path, method) for path, item in document["paths"].items() for method in item} == routes


def test_every_reference_leads_somewhere(document: Json) -> None:
    found = set(references(document))
    assert found
    for reference in found:
        node = document
        for part in reference.removeprefix("#/").split("/"):
            node = node[part]
        assert node


def test_every_path_parameter_is_described(document: Json) -> None:
    for path, item in document["paths"].items():
        for operation in item.values():
            described = [p["name"] for p in operation.get("parameters", []) if p["in"] == "path"]
            assert sorted(described) == sorted(re.findall(r"{(\w+)}", path))


def test_every_operation_says_what_it_is_and_what_it_answers(document: Json) -> None:
    assert document["openapi"].startswith("3.1.")
    for item in document["paths"].values():
        for operation in item.values():
            assert operation["summary"]
            assert all(answer["description"] for answer in operation["responses"].values())
            assert any(status.startswith("2") for status in operation["responses"])


def test_the_limits_are_this_services_own(http: FlaskClient, document: Json) -> None:
    fields = document["components"]["schemas"]["JobRequest"]["properties"]
    for name, limit in (("n", "maximum"), ("num_inference_steps", "maximum")):
        refused = http.post("/v1/jobs", json={"prompt": "a", name: fields[name][limit] + 1})
        assert refused.get_json()["field"] == name
    assert "maxLength" in fields["prompt"]
    assert fields["webhook_secret"]["writeOnly"] is True


def test_answers_have_no_secret_to_describe(document: Json) -> None:
    assert "webhook_secret" not in document["components"]["schemas"]["JobAnswer"]["properties"]


@pytest.mark.parametrize("name", examples.REQUESTS)
def test_every_example_is_accepted_as_it_stands(http: FlaskClient, document: Json, name: str) -> None:
    content = document["paths"]["/v1/jobs"]["post"]["requestBody"]["content"]["application/json"]
    answer = http.post("/v1/jobs", json=content["examples"][name]["value"])
    assert answer.status_code == 202, answer.text


def test_the_schema_of_a_request_is_what_is_validated(document: Json) -> None:
    schema = document["components"]["schemas"]["JobRequest"]
    assert set(schema["properties"]) == set(JobRequest.model_fields)
    assert schema["additionalProperties"] is False
    assert schema["anyOf"] == [{"required": ["prompt"]}, {"required": ["prior"]}]


def test_the_schema_of_a_job_is_what_is_answered(http: FlaskClient, document: Json) -> None:
    schema = document["components"]["schemas"]["JobAnswer"]
    answered = http.post("/v1/jobs", json={"prompt": "a"}).get_json()
    example = document["paths"]["/v1/jobs/{job_id}"]["get"]["responses"]["200"]["content"]["application/json"]
    assert set(schema["properties"]) == set(schema["required"]) == set(answered)
    assert set(example["examples"]["succeeded"]["value"]) == set(answered)
    assert JobAnswer.model_validate(answered)
