"""Whatever is wrong with a request, at every route, the error is in our words and names the field."""

from collections.abc import Iterator
from io import BytesIO
from typing import Any

import pytest
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from tests.shared.wording.phrases import check_fault

GENERATIONS, EDITS, ZAI = "/v1/images/generations", "/v1/images/edits", "/paas/v4/images/generations"
FILE = "file-" + "0" * 26
BATCH = {"input_file_id": FILE, "endpoint": "/v1/jobs", "completion_window": "24h"}


def told(answer: TestResponse) -> tuple[str | None, str]:
    """The field and the message of an error, in the format of the route."""
    body = answer.get_json()
    error = body.get("error", body)
    field, message = error.get("param", error.get("field")), error.get("message", error.get("detail"))
    assert message, body
    check_fault(field, message)
    for each in body.get("errors", ()):
        check_fault(each["field"], each["message"])
    return field, message


def paths(http: FlaskClient) -> Iterator[tuple[str, str]]:
    """Each method of each route, with nonsense for its path parameters."""
    for rule in http.application.url_map.iter_rules():
        values = {name: "7" if name in ("index", "number") else "nonsense" for name in rule.arguments}
        _, path = rule.build(values) or ("", "")
        yield from ((method, path) for method in sorted(rule.methods or ()) if method not in ("HEAD", "OPTIONS"))


BROKEN: tuple[dict[str, Any], ...] = (
    {"data": b'{"nonsense": 1}', "content_type": "application/json", "query_string": "limit=abc&nonsense=1"},
    {"data": b"{'a': 1}", "content_type": "application/json", "headers": {"Last-Event-ID": "nonsense"}},
    {"data": b"--b\r\nnonsense", "content_type": "multipart/form-data; boundary=b"},
    {"headers": {"Connection": "Upgrade", "Upgrade": "websocket"}},
)


@pytest.mark.parametrize("broken", BROKEN, ids=("fields", "JSON", "multipart", "upgrade"))
def test_no_route_answers_in_the_words_of_a_library(http: FlaskClient, broken: dict[str, Any]) -> None:
    refused = [http.open(path, method=method, **broken) for method, path in paths(http)]
    refused = [answer for answer in refused if answer.status_code >= 400]
    assert len(refused) > 20
    assert {answer.status_code for answer in refused} <= {400, 403, 404, 405, 409, 415}
    for answer in refused:
        told(answer)


WRONG_FIELDS: tuple[tuple[str, dict[str, Any], str, str], ...] = (
    (GENERATIONS, {"n": 11}, "n", "n must be a whole number from 1 to 10, not 11"),
    (GENERATIONS, {"n": "two"}, "n", 'n must be a whole number from 1 to 10, not the text "two"'),
    (GENERATIONS, {"qualty": "hd"}, "qualty", "qualty is not known here: did you mean quality?"),
    (GENERATIONS, {"seed": -1}, "seed", "seed must be a whole number from 0 to 9007199254740991, not -1"),
    (GENERATIONS, {"size": "large"}, "size", 'size must be width x height in pixels, such as 1152x1024, not "large"'),
    (
        GENERATIONS,
        {"response_format": "b64"},
        "response_format",
        'response_format must be url or b64_json, not "b64"',
    ),
    (EDITS, {"images": [{}]}, "images[0]", "images[0]: give either image_url or file_id"),
    (EDITS, {"images": [{"image_url": 5}]}, "images[0].image_url", "images[0].image_url must be text"),
    (ZAI, {"n": 0}, "n", "n must be a whole number of at least 1, not 0"),
    (ZAI, {"user_id": "me"}, "user_id", "user_id must be text of 6 to 128 characters, not of 2"),
    ("/v1/jobs", {"n": 99}, "n", "n must be at most 16, not 99"),
    ("/v1/jobs", {"webhook_events": [5]}, "webhook_events[0]", "webhook_events[0] must be job.started,"),
    ("/v1/batches", {**BATCH, "defaults": {"sizee": "1"}}, "defaults.sizee", "did you mean defaults.size?"),
    ("/v1/batches", {**BATCH, "endpoint": "/v1/job"}, "endpoint", 'not "/v1/job": did you mean /v1/jobs?'),
    ("/v1/batches", {**BATCH, "input_file_id": "x"}, "input_file_id", "such as file-"),
    ("/v1/webhook_endpoints", {"url": "https://a.example/", "event": []}, "event", "did you mean events?"),
    ("/v1/webhook_endpoints", {"url": "https://a.example/", "headers": {"a": 5}}, "headers.a", "must be text"),
)


def test_a_wrong_field_is_named_at_every_door(http: FlaskClient) -> None:
    for path, fields, field, message in WRONG_FIELDS:
        prompt = {} if path in ("/v1/batches", "/v1/webhook_endpoints") else {"prompt": "a red kite"}
        answer = http.post(path, json={**prompt, **fields})
        assert answer.status_code == 400
        got_field, got_message = told(answer)
        assert got_field == field
        assert message in got_message


WRONG_QUERIES = (
    ("/v1/jobs?limit=1000", "limit", 'limit must be a whole number from 1 to 100, not "1000"'),
    ("/v1/jobs?status=queued,done", "status[1]", "status[1] must be queued, running,"),
    ("/v1/jobs?create_after=x", "create_after", "create_after is not known here: did you mean created_after?"),
    ("/v1/files?purpose=x", "purpose", 'purpose must be batch, batch_output, vision or user_data, not "x"'),
    ("/v1/batches?after=x", "after", 'after must be text such as batch_01ke6q8v3c9t0n5w7x2z4b6d8f, not "x"'),
    ("/v1/webhook_endpoints?lmit=5", "lmit", "lmit is not known here: did you mean limit?"),
    ("/v1/dead_letters?cursor=x", "cursor", "cursor is not known here: did you mean after?"),
)


def test_a_wrong_query_parameter_is_named(http: FlaskClient) -> None:
    for path, field, message in WRONG_QUERIES:
        got_field, got_message = told(http.get(path))
        assert got_field == field
        assert got_message.startswith(message)


def test_a_wrong_field_of_an_upload_is_named(http: FlaskClient) -> None:
    form = {"purpose": "batches", "file": (BytesIO(b"{}"), "a.jsonl")}
    field, message = told(http.post("/v1/files", data=form, content_type="multipart/form-data"))
    assert field == "purpose"
    assert message == 'purpose must be batch, vision or user_data, not "batches": did you mean batch?'


def test_an_id_of_another_kind_is_told_its_kind(http: FlaskClient) -> None:
    ulid, of_caller = "0" * 26, "batch_of_monday"
    for path, end in (
        (f"/v1/jobs/batch_{ulid}", f"batch_{ulid}: it is the id of a batch, not of a job"),
        (f"/v1/batches/job_{ulid}", f"job_{ulid}: it is the id of a job, not of a batch"),
        (f"/v1/files/job_{ulid}", f"job_{ulid}: it is the id of a job, not of a file"),
        (f"/v1/dead_letters/job_{ulid}", f"job_{ulid}: it is the id of a job, not of a dead letter"),
        (f"/v1/jobs/job_{ulid}", f"no job job_{ulid}"),
        (f"/v1/jobs/{of_caller}", f"no job {of_caller}"),
        (f"/v1/batches/{of_caller}", f"no batch {of_caller}"),
    ):
        answer = http.get(path)
        assert answer.status_code == 404
        assert told(answer)[1].endswith(end)


REFUSED: tuple[tuple[str, str, dict[str, Any], str], ...] = (
    ("PATCH", "/v1/jobs", {}, "/v1/jobs does not support the method PATCH: use GET, HEAD or POST"),
    ("GET", "/v1/nothing", {}, "there is no route /v1/nothing"),
    ("POST", "/v1/jobs", {"content_type": "text/plain"}, "form-data, not text/plain"),
    ("POST", "/v1/jobs", {}, "form-data, not a body without Content-Type"),
    ("GET", "/v1/jobs", {"headers": {"Connection": "Upgrade", "Upgrade": "websocket"}}, "has no WebSockets"),
)


def test_what_http_refuses_is_told_in_our_words(http: FlaskClient) -> None:
    for method, path, asked, message in REFUSED:
        assert message in told(http.open(path, method=method, **asked))[1]
