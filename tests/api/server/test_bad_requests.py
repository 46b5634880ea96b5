"""Malformed requests at every door: each is refused in the door's own shape, by status, code and field."""

import json
from io import BytesIO
from typing import Any

import pytest
from flask.testing import FlaskClient

from api.problems.formats import error_response
from api.problems.problem import problem

JSON = "application/json"
FORM = "multipart/form-data; boundary=b"
DEEP = b'{"prompt": ' + b"[" * 100_000
NOT_UTF8 = b'{"prompt": "\xff"}'
NUL = b'{"prompt": "a\\u0000b"}'
SURROGATE = b'{"prompt": "\\ud83d"}'

NATIVE = {"jobs", "stats", "dead_letters", "webhooks", "webhook_endpoints", "webhook_messages"}
PROBLEM_FIELDS = {"type", "title", "status", "detail", "instance", "code", "field", "retryable", "errors", "error"}

DOORS = {
    "native": "/v1/jobs",
    "openai": "/v1/images/generations",
    "zai": "/paas/v4/images/generations",
    "zai_async": "/api/paas/v4/async/images/generations",
}


def part(name: str, value: bytes, more: bytes = b"") -> bytes:
    head = b'--b\r\nContent-Disposition: form-data; name="' + name.encode() + b'"' + more + b"\r\n\r\n"
    return head + value + b"\r\n"


def told(answer: Any, path: str) -> tuple[int, str, str | None]:
    """Status, code and field of a refusal, whose shape has to be that of its door."""
    body, status = answer.get_json(), answer.status_code
    assert "Traceback" not in answer.text
    assert "x-request-id" in answer.headers
    if path.startswith(("/paas/v4/", "/api/paas/v4/")):
        assert answer.content_type == JSON
        error = body["error"]
        assert set(error) == {"code", "message", "reason", "field", "retryable"}
        assert error["code"].isdecimal()
        assert error["message"]
        return status, error["reason"], error["field"]
    error = body["error"]  # what OpenAI's clients read, on all other paths
    assert set(error) == {"message", "type", "param", "code", "retryable"}
    assert error["message"]
    parts = path.partition("?")[0].split("/")
    if parts[1] == "v1" and not NATIVE.intersection(parts[2:3]):
        assert answer.content_type == JSON
        assert set(body) == {"error"}
        return status, error["code"], error["param"]
    assert answer.content_type == "application/problem+json"
    assert set(body) == PROBLEM_FIELDS
    assert (body["status"], body["detail"]) == (status, error["message"])
    assert (body["code"], body["field"], body["retryable"]) == (error["code"], error["param"], error["retryable"])
    return status, body["code"], body["field"]


@pytest.mark.parametrize("door", DOORS)
@pytest.mark.parametrize(
    ("body", "content_type", "expected"),
    [
        (b"", JSON, (400, "invalid_request", None)),
        (b"{", JSON, (400, "invalid_request", None)),
        (b"null", JSON, (400, "invalid_request", None)),
        (b"[]", JSON, (400, "invalid_request", None)),
        (b'"a"', JSON, (400, "invalid_request", None)),
        (b"{}", JSON, (400, "invalid_request", "prompt")),
        (b'{"prompt": ""}', JSON, (400, "invalid_request", "prompt")),
        (b'{"prompt": 5}', JSON, (400, "invalid_request", "prompt")),
        (b'{"prompt": "a", "n": 0}', JSON, (400, "invalid_request", "n")),
        (b'{"prompt": "a", "n": 99}', JSON, (400, "invalid_request", "n")),
        (b'{"prompt": "a", "n": "one"}', JSON, (400, "invalid_request", "n")),
        (b'{"prompt": "a", "n": 1.5}', JSON, (400, "invalid_request", "n")),
        (b'{"prompt": "a", "n": 1e400}', JSON, (400, "invalid_request", "n")),
        (b'{"prompt": "a", "n": NaN}', JSON, (400, "invalid_request", "n")),
        (b'{"prompt": "a", "size": "1000x1024"}', JSON, (400, "invalid_request", "size")),
        (b'{"prompt": "a", "quality": "best"}', JSON, (400, "invalid_request", "quality")),
        (b'{"prompt": "a", "colour": 1}', JSON, (400, "invalid_request", "colour")),
        (b'{"prompt": "a", "n": ' + b"9" * 10_000 + b"}", JSON, (400, "invalid_request", None)),
        (DEEP, JSON, (400, "invalid_request", None)),
        (NOT_UTF8, JSON, (400, "invalid_request", None)),
        (NUL, JSON, (400, "invalid_request", "prompt")),
        (SURROGATE, JSON, (400, "invalid_request", "prompt")),
        (b'{"prompt": "a"}', "text/plain", (415, "unsupported_media_type", None)),
        (b"<prompt/>", "application/xml", (415, "unsupported_media_type", None)),
        (b"prompt=a", "application/x-www-form-urlencoded", (415, "unsupported_media_type", None)),
        (b'{"prompt": "a"}', None, (415, "unsupported_media_type", None)),
        (b'{"prompt": "' + b"x" * 3_000_000 + b'"}', JSON, (413, "payload_too_large", None)),
    ],
)
def test_bad_bodies_are_refused_alike_at_every_door(
    http: FlaskClient, door: str, body: bytes, content_type: str | None, expected: tuple[int, str, str | None]
) -> None:
    answer = http.post(DOORS[door], data=body, content_type=content_type)
    assert told(answer, DOORS[door]) == expected
    assert http.get("/v1/jobs").get_json()["data"] == []


@pytest.mark.parametrize("path", ["/v1/jobs", "/v1/images/edits", "/v1/files"])
@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"--b--\r\n",
        b"no boundary at all",
        part("prompt", b"a") + b"--b",
        b"--b\r\nContent-Disposition: form-data\r\n\r\na\r\n--b--\r\n",
        b"--b\r\n\r\na\r\n--b--\r\n",
        part("prompt", b"a\xff") + b"--b--\r\n",
        part("prompt", b"a") + part("prompt", b"b") + b"--b--\r\n",
        part("prompt", b"a") + part("mask", b"x", b'; filename="m.png"') + b"--b--\r\n",
        part("prompt", b"a") + part("n", b"9" * 10_000) + b"--b--\r\n",
    ],
)
def test_bad_forms_are_refused(http: FlaskClient, path: str, body: bytes) -> None:
    status, code, _ = told(http.post(path, data=body, content_type=FORM), path)
    assert (status, code) == (400, "invalid_request")


@pytest.mark.parametrize(("path", "status"), [("/v1/jobs", 400), ("/v1/images/edits", 400), ("/v1/files", 415)])
def test_a_form_without_its_boundary_is_refused(http: FlaskClient, path: str, status: int) -> None:
    body = part("prompt", b"a") + b"--b--\r\n"
    assert told(http.post(path, data=body, content_type="multipart/form-data"), path)[0] == status


@pytest.mark.parametrize(
    ("path", "fields"),
    [
        ("/v1/jobs", {"prompt": "a", "images": ["data:image/png;base64,***"]}),
        ("/v1/jobs", {"prompt": "a", "images": ["data:image/png;base64,AAAA"]}),
        ("/v1/images/edits", {"prompt": "a", "images": [{"image_url": "data:image/png;base64,***"}]}),
        ("/v1/images/edits", {"prompt": "a", "images": [{"image_url": "data:image/png;base64,AAAA"}]}),
    ],
)
def test_pictures_that_are_none_are_named(http: FlaskClient, path: str, fields: dict[str, Any]) -> None:
    status, code, field = told(http.post(path, json=fields), path)
    assert status == 400
    assert code in ("invalid_request", "invalid_image")
    assert field
    assert field.startswith("images[0]")


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("DELETE", "/v1/jobs", {"GET", "POST"}),
        ("PATCH", "/v1/jobs/x", {"GET", "PUT", "DELETE"}),
        ("GET", "/v1/jobs/x/cancel", {"POST"}),
        ("GET", "/v1/images/generations", {"POST"}),
        ("POST", "/v1/models", {"GET"}),
        ("PUT", "/v1/files", {"GET", "POST"}),
        ("GET", "/paas/v4/images/generations", {"POST"}),
        ("POST", "/paas/v4/async-result/x", {"GET"}),
        ("PUT", "/v1/webhook_endpoints", {"GET", "POST"}),
        ("POST", "/openapi.json", {"GET"}),
        ("TRACE", "/v1/jobs", {"GET", "POST"}),
        ("BREW", "/v1/jobs", {"GET", "POST"}),
    ],
)
def test_other_methods_are_405_with_those_that_there_are(
    http: FlaskClient, method: str, path: str, allowed: set[str]
) -> None:
    answer = http.open(path, method=method)
    assert told(answer, path) == (405, "method_not_allowed", None)
    assert set(answer.headers["Allow"].split(", ")) - {"HEAD", "OPTIONS"} == allowed


@pytest.mark.parametrize(
    "path",
    [
        "/nothing",
        "/v1",
        "/v1/",
        "/v1/jobs//",
        "/v1//jobs",
        "/V1/jobs",
        "/v1/jobs/x/nothing",
        "/v1/jobs/x/images/-1",
        "/v1/jobs/x/images/1.0",
        "/v1/images/variations",
        "/v1/chat/completions",
        "/v1/responses",
        "/v1/v1/models",
        "/v1/jobsX",
        "/images/generations",
        "/paas/v4/videos/generations",
        "/v1/jobs%00",
        "/%ff",
        "/" + "x" * 5_000,
    ],
)
def test_what_is_no_route_is_404(http: FlaskClient, path: str) -> None:
    assert told(http.get(path), path) == (404, "not_found", None)


@pytest.mark.parametrize(
    ("path", "meant"),
    [
        ("/images/generations", "/v1/images/generations"),
        ("/models", "/v1/models"),
        ("/v1/v1/images/edits", "/v1/images/edits"),
        ("/openai/v1/files", "/v1/files"),
        ("/openai/deployments/dall-e-3/images/generations", "/v1/images/generations"),
        ("/v1/containers/x/files", "images, models, files and batches"),
        ("/v1/chat/completions", "images, models, files and batches"),
        ("/v1/images/variations", "images, models, files and batches"),
    ],
)
def test_a_path_of_openais_that_is_none_here_names_the_route_that_is_meant(
    http: FlaskClient, path: str, meant: str
) -> None:
    assert meant in http.post(path).get_json()["error"]["message"]


def test_only_our_own_routes_have_problem_details(http: FlaskClient) -> None:
    """A new route has to be in the list of `api.problems.formats`, or it has OpenAI's format."""
    openai = {"openai_images", "files", "batches", "batch_results", "batch_events", "batch_links"}
    for rule in http.application.url_map.iter_rules():
        blueprint = rule.endpoint.partition(".")[0]
        if not blueprint.startswith("zai"):
            kind = error_response(problem(500, "x", "x", "/"), rule.rule)[1]
            assert kind == (JSON if blueprint in openai else "application/problem+json"), rule


@pytest.mark.parametrize(
    ("path", "code"),
    [
        ("/v1/jobs/{}", "job_not_found"),
        ("/v1/jobs/{}/events", "job_not_found"),
        ("/v1/jobs/{}/images/0", "job_not_found"),
        ("/v1/files/{}", "file_not_found"),
        ("/v1/dead_letters/{}", "dead_letter_not_found"),
        ("/v1/webhook_endpoints/{}", "webhook_endpoint_not_found"),
        ("/v1/webhook_messages/{}", "webhook_message_not_found"),
        ("/v1/models/{}", "model_not_found"),
        ("/paas/v4/async-result/{}", "job_not_found"),
    ],
)
@pytest.mark.parametrize("name", ["x", "%00", "%ff", "..", "%F0%9F%98%80", "a%20b", "x" * 3_000, "job_" + "0" * 26])
def test_ids_of_nothing_are_404_whatever_they_hold(http: FlaskClient, path: str, code: str, name: str) -> None:
    if name == "..":
        name = "%2E%2E"
    status, found, _ = told(http.get(path.format(name)), path)
    assert (status, found) == (404, code)


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("limit=0", "limit"),
        ("limit=101", "limit"),
        ("limit=x", "limit"),
        ("limit=", "limit"),
        ("limit=" + "9" * 400, "limit"),
        ("after=x", "after"),
        ("after=job_%00", "after"),
        ("status=done", "status[0]"),
        ("order=up", "order"),
        ("created_after=yesterday", "created_after"),
        ("colour=red", "colour"),
        ("%ff=1", "%FF"),
    ],
)
def test_bad_queries_are_refused(http: FlaskClient, query: str, field: str) -> None:
    assert told(http.get(f"/v1/jobs?{query}"), "/v1/jobs") == (400, "invalid_request", field)


@pytest.mark.parametrize("path", ["/v1/dead_letters", "/v1/webhook_endpoints", "/v1/files", "/v1/webhooks/public_key"])
def test_other_lists_refuse_what_they_do_not_know(http: FlaskClient, path: str) -> None:
    assert told(http.get(f"{path}?colour=red"), path) == (400, "invalid_request", "colour")


@pytest.mark.parametrize(
    ("name", "value", "path", "field"),
    [
        ("Idempotency-Key", "x" * 256, "/v1/jobs", "Idempotency-Key"),
        ("Idempotency-Key", 'a, b"', "/v1/images/generations", "Idempotency-Key"),
        ("Idempotency-Key", "", "/paas/v4/async/images/generations", "Idempotency-Key"),
    ],
)
def test_bad_header_fields_are_named(http: FlaskClient, name: str, value: str, path: str, field: str) -> None:
    answer = http.post(path, json={"prompt": "a"}, headers={name: value})
    assert told(answer, path) == (400, "invalid_request", field)


def test_an_id_of_no_event_is_refused(http: FlaskClient) -> None:
    job = http.post("/v1/jobs", json={"prompt": "a"}).get_json()["id"]
    path = f"/v1/jobs/{job}/events"
    answer = http.get(path, headers={"Last-Event-ID": "first"})
    assert told(answer, path) == (400, "invalid_request", "Last-Event-ID")


@pytest.mark.parametrize("path", ["/", "/docs", "/healthz", "/openapi.json", "/v1/jobs", "/v1/models", "/v1/files"])
def test_head_is_get_without_a_body(http: FlaskClient, path: str) -> None:
    head, got = http.head(path), http.get(path)
    assert (head.status_code, head.data) == (got.status_code, b"")
    assert head.content_type == got.content_type


@pytest.mark.parametrize("path", ["/v1/jobs", "/v1/images/generations", "/paas/v4/images/generations", "/healthz"])
def test_options_tells_the_methods(http: FlaskClient, path: str) -> None:
    answer = http.options(path)
    assert (answer.status_code, answer.data) == (200, b"")
    assert "OPTIONS" in answer.headers["Allow"]


@pytest.mark.parametrize(
    ("method", "path", "fields", "field"),
    [
        ("POST", "/v1/webhook_endpoints", {}, "url"),
        ("POST", "/v1/webhook_endpoints", {"url": 5}, "url"),
        ("POST", "/v1/webhook_endpoints", {"url": "http://10.0.0.1/"}, "url"),
        ("POST", "/v1/webhook_endpoints", {"url": "https://a.example/", "events": ["x"]}, "events[0]"),
        ("POST", "/v1/webhook_endpoints", {"url": "https://a.example/", "colour": 1}, "colour"),
        ("POST", "/v1/webhook_endpoints", {"url": "https://a.example/", "description": "a\0"}, "description"),
        ("POST", "/v1/jobs/{job}/retry", {"deadline": "soon"}, "deadline"),
        ("POST", "/v1/jobs/{job}/retry", {"deadline": 5}, "deadline"),
        ("PUT", "/v1/jobs/job_x", {"prompt": "a"}, "client_id"),
        ("PUT", "/v1/jobs/{long}", {"prompt": "a"}, "client_id"),
    ],
)
def test_bad_fields_of_other_routes_are_named(
    http: FlaskClient, method: str, path: str, fields: dict[str, Any], field: str
) -> None:
    job = http.post("/v1/jobs", json={"prompt": "a"}).get_json()["id"]
    answer = http.open(path.format(job=job, long="x" * 200), method=method, json=fields)
    assert told(answer, path) == (400, "invalid_request", field)


def test_a_file_of_no_purpose_is_refused(http: FlaskClient) -> None:
    for purpose, field in (("fine-tune", "purpose"), (None, "purpose")):
        data = {"file": (BytesIO(b"x"), "a.png"), **({"purpose": purpose} if purpose else {})}
        answer = http.post("/v1/files", data=data)
        assert told(answer, "/v1/files") == (400, "invalid_request", field)


def test_answers_to_bad_bodies_stay_small(http: FlaskClient) -> None:
    for path in DOORS.values():
        answer = http.post(path, data=json.dumps({f"y{i}": 1 for i in range(50_000)}), content_type=JSON)
        assert answer.status_code == 400
        assert len(answer.data) < 30_000
