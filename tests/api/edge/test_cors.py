"""Pages of other origins: none by default, those that the setting names, never more."""

import pytest
from flask.testing import FlaskClient

from api.services import Services
from shared.access.keys import Scope
from shared.ids import TenantId
from shared.store.access.keys import KeyStore
from shared.store.core.connect import Client
from tests.api.conftest import with_settings

APP = "https://app.example.com"
PREFLIGHT = {
    "Origin": APP,
    "Access-Control-Request-Method": "POST",
    "Access-Control-Request-Headers": "authorization,idempotency-key",
}


@pytest.fixture
def shared(house: Services) -> FlaskClient:
    return with_settings(house, cors_origins=f"{APP}, http://[::1]:5173/")


@pytest.fixture
def key(client: Client) -> dict[str, str]:
    _, text = KeyStore(client).create(TenantId("acme"), [Scope.READ])
    return {"Authorization": f"Bearer {text}"}


def test_without_the_setting_nothing_is_said(house: Services) -> None:
    answer = with_settings(house, host="0.0.0.0").get("/healthz", headers={"Origin": APP})
    assert not [name for name, _ in answer.headers if name.startswith("Access-Control")]


@pytest.mark.parametrize("origin", [APP, "http://[::1]:5173"])
def test_pages_of_a_named_origin_may_call_an_open_api(shared: FlaskClient, origin: str) -> None:
    answer = shared.post("/v1/jobs", json={"prompt": "a"}, headers={"Origin": origin})
    assert answer.status_code == 202
    assert answer.headers["Access-Control-Allow-Origin"] == origin
    assert "Origin" in answer.headers["Vary"]
    exposed = answer.headers["Access-Control-Expose-Headers"].lower()
    assert all(
        name in exposed for name in ("location", "retry-after", "ratelimit", "x-request-id", "preference-applied")
    )


@pytest.mark.parametrize(
    "origin",
    [
        "https://app.example.com.evil",
        "https://appXexample.com",
        "http://app.example.com",
        f"{APP}:8443",
        "null",
        f"{APP}.",
    ],
)
def test_pages_of_others_may_not(shared: FlaskClient, origin: str) -> None:
    answer = shared.post("/v1/jobs", json={"prompt": "a"}, headers={"Origin": origin})
    assert (answer.status_code, answer.get_json()["code"]) == (403, "forbidden_origin")
    assert "Access-Control-Allow-Origin" not in answer.headers


@pytest.mark.parametrize("path", ["/v1/jobs", "/v1/jobs/my-name", "/v1/images/generations", "/nothing"])
def test_a_preflight_needs_no_key_and_tells_no_routes(shared: FlaskClient, key: dict[str, str], path: str) -> None:
    answer = shared.options(path, headers=PREFLIGHT)
    assert (answer.status_code, answer.data) == (204, b"")
    assert answer.headers["Access-Control-Allow-Origin"] == APP
    assert answer.headers["Access-Control-Allow-Headers"] == "authorization, idempotency-key"
    assert {"POST", "PUT", "PATCH", "DELETE"} <= set(answer.headers["Access-Control-Allow-Methods"].split(", "))
    assert "Allow" not in answer.headers


def test_a_page_can_read_why_it_was_refused(shared: FlaskClient, key: dict[str, str]) -> None:
    answer = shared.get("/v1/jobs", headers={"Origin": APP})
    assert answer.status_code == 401
    assert answer.headers["Access-Control-Allow-Origin"] == APP


def test_other_requests_for_options_take_a_key(shared: FlaskClient, key: dict[str, str]) -> None:
    assert shared.options("/v1/jobs", headers={"Origin": APP}).status_code == 401
    answer = shared.options("/v1/jobs", headers={"Origin": APP, **key})
    assert answer.status_code == 200
    assert {"GET", "POST"} <= set(answer.headers["Allow"].split(", "))


def test_any_origin_may_be_allowed_where_keys_are_needed(house: Services, key: dict[str, str]) -> None:
    http = with_settings(house, cors_origins="*", host="0.0.0.0")
    answer = http.get("/v1/jobs", headers={"Origin": "https://anybody.example", **key})
    assert (answer.status_code, answer.headers["Access-Control-Allow-Origin"]) == (200, "*")
    assert "Access-Control-Allow-Credentials" not in answer.headers


def test_an_open_api_on_loopback_is_opened_for_nobody_by_a_star(house: Services) -> None:
    answer = with_settings(house, cors_origins="*").post("/v1/jobs", json={"prompt": "a"}, headers={"Origin": APP})
    assert (answer.status_code, answer.get_json()["code"]) == (403, "forbidden_origin")
