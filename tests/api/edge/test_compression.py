"""JSON comes compressed to those who accept it, and everything else comes as it is."""

import gzip
import json

import pytest
from flask import Flask, Response
from flask.testing import FlaskClient

from api.edge import compression

LONG = json.dumps({"data": ["a long text "] * 2000})
GZIP = {"Accept-Encoding": "gzip"}


@pytest.fixture
def sent() -> dict[str, Response]:
    """The responses of the app by path. A test adds its own."""
    return {}


@pytest.fixture
def alone(sent: dict[str, Response]) -> FlaskClient:
    """An app with nothing but the compression."""
    app = Flask("alone")
    compression.install(app)
    app.add_url_rule("/<name>", view_func=lambda name: sent[name])
    return app.test_client()


@pytest.mark.parametrize(
    "path", ["/openapi.json", "/studio/words/account.js", "/studio/style/base.css", "/v1/jobs?limit=9"]
)
def test_long_texts_are_compressed(http: FlaskClient, path: str) -> None:
    if path.startswith("/v1/jobs"):
        for _ in range(4):
            http.post("/v1/jobs", json={"prompt": "one of many"})
    plain = http.get(path)
    packed = http.get(path, headers=GZIP)
    assert packed.headers["Content-Encoding"] == "gzip"
    assert gzip.decompress(packed.data) == plain.data
    assert "Content-Encoding" not in plain.headers
    assert len(packed.data) == packed.content_length < len(plain.data)
    for each in (plain, packed):
        assert "accept-encoding" in each.headers["Vary"].lower()
    assert http.head(path, headers=GZIP).content_length == packed.content_length


@pytest.mark.parametrize(
    ("asked", "is_packed"),
    [
        ("gzip, deflate, br", True),
        ("br;q=1, gzip;q=0.2", True),
        ("*", True),
        ("GZIP", True),
        ("identity;q=0.1, gzip", True),
        ("", False),
        ("identity", False),
        ("br", False),
        ("gzip;q=0", False),
        ("identity, gzip;q=0.5", False),
        ("*;q=0", False),
    ],
)
def test_gzip_is_for_those_who_prefer_it(
    alone: FlaskClient, sent: dict[str, Response], asked: str, is_packed: bool
) -> None:
    sent["it"] = Response(LONG, content_type="application/json")
    answer = alone.get("/it", headers={"Accept-Encoding": asked})
    assert (answer.headers.get("Content-Encoding") == "gzip") == is_packed
    assert json.loads(gzip.decompress(answer.data) if is_packed else answer.data)


def test_a_compressed_file_is_known_by_its_etag(http: FlaskClient) -> None:
    for fields in (GZIP, {}):
        first = http.get("/studio/words/account.js", headers=fields)
        assert first.headers["ETag"].startswith("W/") == ("Content-Encoding" in first.headers)
        again = http.get("/studio/words/account.js", headers={**fields, "If-None-Match": first.headers["ETag"]})
        assert (again.status_code, again.data) == (304, b"")
        assert "Content-Encoding" not in again.headers


def test_a_repeated_response_is_the_first_one_compressed_or_not(http: FlaskClient) -> None:
    asked = {"prompt": "p" * 5000}
    first = http.post("/v1/jobs", json=asked, headers={**GZIP, "Idempotency-Key": "k"})
    plain = http.post("/v1/jobs", json=asked, headers={"Idempotency-Key": "k"})
    packed = http.post("/v1/jobs", json=asked, headers={**GZIP, "Idempotency-Key": "k"})
    assert first.headers["Content-Encoding"] == packed.headers["Content-Encoding"] == "gzip"
    assert gzip.decompress(first.data) == plain.data == gzip.decompress(packed.data)


@pytest.mark.parametrize(
    ("response", "is_packed"),
    [
        (Response(LONG, content_type="application/json; charset=utf-8"), True),
        (Response(LONG, 404, content_type="application/problem+json"), True),
        (Response(LONG[:4095], content_type="application/json"), False),
        (Response(LONG, content_type="image/png"), False),
        (Response(LONG, content_type="text/event-stream"), False),
        (Response(iter([LONG]), content_type="application/json"), False),
        (Response(LONG, 206, content_type="application/json"), False),
        (Response(LONG, headers={"Content-Encoding": "br"}, content_type="application/json"), False),
    ],
    ids=["json", "problem", "short", "picture", "events", "stream", "range", "packed already"],
)
def test_only_whole_texts_are_compressed(
    alone: FlaskClient, sent: dict[str, Response], response: Response, is_packed: bool
) -> None:
    sent["it"] = response
    answer = alone.get("/it", headers=GZIP)
    assert (answer.headers.get("Content-Encoding") == "gzip") == is_packed
    assert len(answer.data) < len(LONG) if is_packed else answer.data == LONG.encode()[: len(answer.data)]
