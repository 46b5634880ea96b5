"""A compressed body is read, or refused with the codings that are: never taken for what it is not."""

import gzip
import json
import zlib
from collections.abc import Callable
from io import BytesIO
from typing import Any

import pytest
from flask.testing import FlaskClient
from werkzeug.test import EnvironBuilder, TestResponse

from tests.api.pictures import png

JSON = "application/json"
MIB = 1024 * 1024


def form(**fields: Any) -> tuple[bytes, str]:
    """The body of a multipart form, and its content type."""
    builder = EnvironBuilder(method="POST", data=fields)
    with builder.get_request() as request:
        return request.get_data(), request.content_type or ""


def sent(http: FlaskClient, path: str, body: bytes, coding: str, content_type: str = JSON) -> TestResponse:
    return http.post(path, data=body, content_type=content_type, headers={"Content-Encoding": coding})


BODIES: dict[str, tuple[str, Callable[[], tuple[bytes, str]], int]] = {
    "a job": ("/v1/jobs", lambda: (b'{"prompt": "a kite", "seed": 7}', JSON), 202),
    "a form": ("/v1/jobs", lambda: form(prompt="a kite", image=(BytesIO(png(64, 64)), "a.png")), 202),
    "Z.ai's format": ("/paas/v4/async/images/generations", lambda: (b'{"prompt": "a kite"}', JSON), 200),
    "a file": ("/v1/files", lambda: form(purpose="batch", file=(BytesIO(b"lines"), "a.jsonl")), 200),
    "OpenAI's format": ("/v1/images/generations", lambda: (b'{"prompt": "a kite", "n": 99}', JSON), 400),
}


@pytest.mark.parametrize("name", BODIES)
@pytest.mark.parametrize("coding", ["gzip", "X-GZIP", "identity, gzip", "gzip,"])
def test_a_gzip_body_is_answered_like_the_plain_one(http: FlaskClient, name: str, coding: str) -> None:
    path, make, status = BODIES[name]
    body, content_type = make()
    answer = sent(http, path, gzip.compress(body), coding, content_type)
    assert answer.status_code == status, answer.text
    told = answer.get_json()
    assert told.get("prompt", "a kite") == "a kite"
    assert told.get("bytes", 5) == 5
    assert (told.get("error") or {}).get("param") == ("n" if status == 400 else None)


@pytest.mark.parametrize("coding", ["identity", "", "IDENTITY, identity"])
def test_no_coding_is_no_coding(http: FlaskClient, coding: str) -> None:
    assert sent(http, "/v1/jobs", b'{"prompt": "a"}', coding).status_code == 202


@pytest.mark.parametrize(
    "coding", ["br", "deflate", "zstd", "compress", "gzip, gzip", "gzip, br", "gzip;q=1", "aws-chunked"]
)
def test_another_coding_is_refused_with_the_one_that_is_read(http: FlaskClient, coding: str) -> None:
    answer = sent(http, "/v1/jobs", b'{"prompt": "a"}', coding)
    assert (answer.status_code, answer.get_json()["code"]) == (415, "unsupported_media_type")
    assert answer.headers["Accept-Encoding"] == "gzip"
    assert coding in answer.get_json()["detail"]


def test_every_route_refuses_a_body_that_it_cannot_decode(http: FlaskClient) -> None:
    for rule in http.application.url_map.iter_rules():
        path = rule.rule.replace("<int:index>", "0").replace("<int:number>", "0").replace("<batch:batch_id>", "batch_x")
        for method in (rule.methods or set()) & {"POST", "PUT", "PATCH", "DELETE"}:
            answer = http.open(path, method=method, data=b"{}", headers={"Content-Encoding": "br"}, content_type=JSON)
            assert (answer.status_code, answer.headers.get("Accept-Encoding")) == (415, "gzip"), (method, path)


@pytest.mark.parametrize("path", ["/v1/jobs", "/v1/batches"])
def test_a_gzip_bomb_is_refused_at_the_limit(http: FlaskClient, path: str) -> None:
    bomb = gzip.compress(b'{"prompt": "' + bytes(20 * MIB))
    answer = sent(http, path, bomb, "gzip")
    assert (len(bomb) < 25_000, answer.status_code) == (True, 413), answer.text


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (gzip.compress(b'{"prompt": "a"}')[:-3], "truncated"),
        (gzip.compress(b'{"prompt": "a"}')[:10], "truncated"),
        (gzip.compress(b'{"prompt": "a"}') * 2, "behind its end"),
        (gzip.compress(b'{"prompt": "a"}') + b"\0", "behind its end"),
        (zlib.compress(b'{"prompt": "a"}'), "not gzip"),
        (b'{"prompt": "a"}', "not gzip"),
    ],
)
def test_a_body_that_is_not_one_gzip_file_is_refused(http: FlaskClient, body: bytes, words: str) -> None:
    answer = sent(http, "/v1/jobs", body, "gzip")
    assert answer.status_code == 400
    assert words in answer.get_json()["detail"]


@pytest.mark.parametrize("coding", ["gzip", "br"])
def test_a_request_without_a_body_may_name_any_coding(http: FlaskClient, coding: str) -> None:
    job = http.post("/v1/jobs", json={"prompt": "a"}).get_json()
    fields = {"Content-Encoding": coding}
    assert http.get("/v1/jobs", headers=fields).status_code == 200
    assert http.post(f"/v1/jobs/{job['id']}/cancel", headers=fields).status_code == 200


def test_an_idempotency_key_knows_a_request_in_both_forms(http: FlaskClient) -> None:
    body = json.dumps({"prompt": "a kite"}).encode()
    fields = {"Idempotency-Key": "one", "Content-Type": JSON}
    plain = http.post("/v1/jobs", data=body, headers=fields)
    packed = http.post("/v1/jobs", data=gzip.compress(body), headers={**fields, "Content-Encoding": "gzip"})
    assert plain.get_json()["id"] == packed.get_json()["id"]
