"""Header fields that every answer has, whatever it is."""

import pytest
from flask.testing import FlaskClient

from api.services import Services
from tests.api.conftest import with_settings

PATHS = ["/", "/docs", "/docs/swagger-ui-bundle.js", "/openapi.json", "/healthz", "/v1/jobs", "/nothing", "/v1/models"]


@pytest.mark.parametrize("path", PATHS)
def test_no_browser_makes_more_of_an_answer_than_it_is(http: FlaskClient, path: str) -> None:
    fields = http.get(path).headers
    assert fields["X-Content-Type-Options"] == "nosniff"
    assert fields["Referrer-Policy"] == "no-referrer"
    assert fields["Cross-Origin-Resource-Policy"] == "same-origin"
    policy = fields["Content-Security-Policy"]
    assert policy.startswith("default-src 'none'")
    assert "frame-ancestors 'none'" in policy
    assert "Strict-Transport-Security" not in fields


def test_nothing_is_kept_in_a_cache_but_parts_of_the_docs(http: FlaskClient) -> None:
    kept = {path for path in PATHS if http.get(path).headers["Cache-Control"] != "no-store"}
    assert kept == {"/docs/swagger-ui-bundle.js"}


def test_https_is_asked_for_where_it_is_spoken(house: Services) -> None:
    answer = with_settings(house, public_url="https://pictures.example.com").get("/healthz")
    assert answer.headers["Strict-Transport-Security"].startswith("max-age=")


def test_a_refusal_has_them_too(house: Services) -> None:
    answer = with_settings(house, host="0.0.0.0").post("/v1/jobs", json={})
    assert (answer.status_code, answer.headers["X-Content-Type-Options"]) == (401, "nosniff")
