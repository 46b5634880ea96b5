"""Bytes that are no text, wherever a request has text; and forms whose brackets lead nowhere."""

import pytest
from flask.testing import FlaskClient
from werkzeug.test import EnvironBuilder
from werkzeug.wrappers import Response

pytestmark = pytest.mark.attack

LISTS = [
    "/v1/jobs",
    "/v1/batches",
    "/v1/files",
    "/v1/webhook_endpoints",
    "/v1/dead_letters",
    "/v1/webhooks/public_key",
    "/v1/webhooks/jwks.json",
    "/v1/stats",
    "/v1/models",
    "/healthz",
    "/nowhere",
]
FIELDS = (
    "ACCEPT",
    "AUTHORIZATION",
    "COOKIE",
    "HOST",
    "IDEMPOTENCY_KEY",
    "LAST_EVENT_ID",
    "ORIGIN",
    "PREFER",
    "RANGE",
    "USER_AGENT",
    "X_FORWARDED_FOR",
    "X_REQUEST_ID",
    "X_STAINLESS_RETRY_COUNT",
)
FORM = "multipart/form-data; boundary=b"


def asked(http: FlaskClient, path: str, **environ: str) -> Response:
    """As a server hands over bytes, in latin-1: a test client would escape them."""
    return Response.from_app(http.application, EnvironBuilder(path=path).get_environ() | environ)


@pytest.mark.parametrize("query", ["a=\xff", "after=\xed\xa0\x80", "limit=1&\x80", "\xc3"])
def test_a_query_that_is_not_utf8_is_refused(http: FlaskClient, query: str) -> None:
    assert {path: asked(http, path, QUERY_STRING=query).status_code for path in LISTS} == dict.fromkeys(LISTS, 400)


@pytest.mark.parametrize("query", ["limit=%FF", "after=%00", "after=%ED%A0%80", "after=%C3", "status=%F5", "x=%"])
def test_escaped_bytes_are_a_value_like_any(http: FlaskClient, query: str) -> None:
    for path in LISTS[:-1]:
        assert asked(http, path, QUERY_STRING=query).status_code in (200, 400), path


@pytest.mark.parametrize("name", ["\xff", "job_\xff", "\xed\xa0\x80", "a\0b", "\0", "job_" + "\x80" * 26])
def test_a_path_that_is_not_text_leads_nowhere(http: FlaskClient, name: str) -> None:
    for path in ("/v1/jobs/", "/v1/files/", "/v1/batches/", "/v1/models/", "/v1/webhook_messages/", "/docs/"):
        assert asked(http, "/", PATH_INFO=path + name).status_code == 404, path


@pytest.mark.parametrize("value", ["\xff", "\xed\xa0\x80", "a\0b", "\x7f", "=" * 9000, "9" * 5000, '"', "1e400", "-0"])
def test_a_field_that_is_not_text_is_answered(http: FlaskClient, value: str) -> None:
    for field in FIELDS:
        for method in ("GET", "POST"):
            answer = asked(http, "/v1/jobs", REQUEST_METHOD=method, **{f"HTTP_{field}": value})
            assert answer.status_code in (200, 400, 401, 403, 415), (field, answer.text)


def form(**fields: str) -> bytes:
    parts = [f'Content-Disposition: form-data; name="{name}"\r\n\r\n{value}' for name, value in fields.items()]
    parts.append('Content-Disposition: form-data; name="file"; filename="a.jsonl"\r\n\r\n{}')
    return b"".join(f"--b\r\n{part}\r\n".encode() for part in parts) + b"--b--\r\n"


@pytest.mark.parametrize(
    ("fields", "wrong"),
    [
        ({"expires_after": "3600", "expires_after[anchor]": "created_at"}, "expires_after"),
        ({"expires_after[anchor]": "created_at", "expires_after": "3600"}, "expires_after"),
        ({"expires_after": "3600"}, "expires_after"),
        ({"expires_after[": "3600"}, "expires_after["),
        ({"expires_after]": "3600"}, "expires_after]"),
        ({"expires_after[]": "3600"}, "expires_after[]"),
        ({"expires_after[seconds": "3600"}, "expires_after[seconds"),
        ({"expires_after[anchor][0]": "created_at"}, "expires_after[anchor][0]"),
        ({"[seconds]": "3600"}, "[seconds]"),
        ({"filename[a]": "a"}, "filename"),
        ({"filename": "b.jsonl"}, "filename"),
        ({"purpose[a]": "batch"}, "purpose"),
        ({"expires_after[anchor]": "created_at", "expires_after[seconds]": "9" * 4000}, "expires_after.seconds"),
        ({"expires_after[anchor]": "created_at", "expires_after[seconds]": "1e400"}, "expires_after.seconds"),
        ({"expires_after[anchor]": "created_at", "expires_after[seconds]": "NaN"}, "expires_after.seconds"),
        ({"expires_after[anchor]": "created_at", "expires_after[seconds]": "true"}, "expires_after.seconds"),
        ({"expires_after[anchor]": "created_at"}, "expires_after.seconds"),
        ({"expires_after[seconds]": "3600", "expires_after[anchor]": "last_active_at"}, "expires_after.anchor"),
    ],
)
def test_a_form_with_brackets_that_lead_nowhere_stores_no_file(
    http: FlaskClient, fields: dict[str, str], wrong: str
) -> None:
    answer = http.post("/v1/files", data=form(**{"purpose": "batch", **fields}), content_type=FORM)
    assert (answer.status_code, answer.get_json()["error"]["param"]) == (400, wrong)
    assert http.get("/v1/files").get_json()["data"] == []
