"""Signing in to the studio."""

import pytest
from flask.testing import FlaskClient

from api.app import create_app
from api.edge import authentication
from api.services import Services
from shared.access import sessions
from shared.access.keys import KeyId, Scope
from shared.ids import TenantId
from shared.store.access.keys import KeyStore
from shared.store.core.connect import Client
from shared.store.jobs.jobs import JobStore
from tests.api.conftest import with_settings
from tests.shared.store.builders import submitted

OWN = {"Gridpress-Studio": "1"}


def with_key(text: str) -> dict[str, str]:
    return {**OWN, "Authorization": f"Bearer {text}"}


@pytest.fixture
def key(client: Client) -> tuple[KeyId, str]:
    made, text = KeyStore(client).create(TenantId("acme"), [Scope.READ, Scope.RENDER])
    return made.key_id, text


@pytest.fixture
def page(house: Services, key: tuple[KeyId, str]) -> FlaskClient:
    """A browser that has signed in."""
    http = create_app(house).test_client()
    answer = http.post("/v1/session", headers=with_key(key[1]))
    assert answer.status_code == 200, answer.text
    return http


def test_without_keys_the_page_is_open(http: FlaskClient) -> None:
    assert http.get("/v1/session").get_json() == {
        "access": "open",
        "is_signed_in": True,
        "tenant": None,
        "key_id": None,
        "scopes": None,
    }


def test_a_page_that_signed_in_may_do_what_its_key_may(
    page: FlaskClient, key: tuple[KeyId, str], store: JobStore
) -> None:
    mine, other = submitted(store, tenant="acme"), submitted(store, tenant="globex")
    state = page.get("/v1/session").get_json()
    assert (state["is_signed_in"], state["tenant"], state["key_id"]) == (True, "acme", key[0])
    assert page.get(f"/v1/jobs/{mine.job_id}").status_code == 200
    assert page.get(f"/v1/jobs/{other.job_id}").status_code == 404
    assert page.post("/v1/jobs", json={"prompt": "a"}, headers=OWN).status_code == 202
    assert page.get("/v1/dead_letters").get_json()["code"] == "missing_scope"


def test_the_cookie_is_out_of_reach_and_is_no_key(page: FlaskClient, key: tuple[KeyId, str], house: Services) -> None:
    again = page.post("/v1/session", headers=with_key(key[1])).headers["Set-Cookie"]
    name, _, rest = again.partition("=")
    assert name == "gridpress_session"
    assert {"HttpOnly", "SameSite=Strict", "Path=/"} <= set(rest.split("; "))
    assert not {"Secure", "Max-Age", "Expires"} & {part.partition("=")[0] for part in rest.split("; ")}
    assert key[1].rpartition("_")[2] not in rest
    token = rest.partition(";")[0]
    answer = create_app(house).test_client().get("/v1/jobs", headers={"Authorization": f"Bearer {token}"})
    assert answer.status_code == 401


def test_the_cookie_is_for_tls_and_the_prefix_of_the_api(house: Services, key: tuple[KeyId, str]) -> None:
    http = with_settings(house, public_url="https://pictures.example.com/base")
    answer = http.post("/v1/session", headers=with_key(key[1]))
    assert {"Secure", "Path=/base/"} <= set(answer.headers["Set-Cookie"].split("; "))


def test_signing_out_ends_the_session(page: FlaskClient) -> None:
    assert page.delete("/v1/session", headers=OWN).status_code == 204
    assert page.get("/v1/jobs").status_code == 401
    assert page.get("/v1/session").get_json()["is_signed_in"] is False


def test_a_session_ends_with_its_key(page: FlaskClient, key: tuple[KeyId, str], client: Client) -> None:
    KeyStore(client).revoke(key[0])
    answer = page.get("/v1/jobs")
    assert (answer.status_code, answer.get_json()["detail"]) == (401, "this session has ended: sign in again")


def test_a_session_ends_after_some_hours(page: FlaskClient, monkeypatch: pytest.MonkeyPatch) -> None:
    now = authentication.time.time()
    monkeypatch.setattr(authentication.time, "time", lambda: now + sessions.LASTS_S - 60)
    assert page.get("/v1/jobs").status_code == 200
    monkeypatch.setattr(authentication.time, "time", lambda: now + sessions.LASTS_S + 1)
    assert page.get("/v1/jobs").status_code == 401


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"Origin": "http://localhost"},
        {**OWN, "Origin": "https://evil.example"},
        {**OWN, "Origin": "http://localhost:9999"},
        {**OWN, "Origin": "null"},
    ],
)
def test_no_page_of_another_origin_changes_anything_with_the_cookie(page: FlaskClient, fields: dict[str, str]) -> None:
    for method, path in (("POST", "/v1/jobs"), ("PUT", "/v1/jobs/a"), ("DELETE", "/v1/session")):
        answer = page.open(path, method=method, json={"prompt": "a"}, headers=fields)
        assert (answer.status_code, answer.get_json()["code"]) == (403, "forbidden_origin"), (method, path)
    assert page.get("/v1/jobs", headers=fields).get_json()["data"] == []


def test_our_own_origin_is_accepted(page: FlaskClient) -> None:
    answer = page.post("/v1/jobs", json={"prompt": "a"}, headers={**OWN, "Origin": "http://localhost"})
    assert answer.status_code == 202


def test_an_api_key_goes_before_a_session(page: FlaskClient, client: Client, store: JobStore) -> None:
    job = submitted(store, tenant="globex")
    other = KeyStore(client).create(TenantId("globex"), [Scope.READ, Scope.RENDER])[1]
    fields = {"Authorization": f"Bearer {other}"}
    assert page.get(f"/v1/jobs/{job.job_id}", headers=fields).status_code == 200
    assert page.post("/v1/jobs", json={"prompt": "a"}, headers=fields).status_code == 202
    assert page.get("/v1/jobs", headers={"Authorization": "Bearer gp_wrong"}).status_code == 401


@pytest.mark.parametrize("token", ["", "x", "aaaaaaaa.9999999999." + "0" * 64, "aaaaaaaa.1." + "0" * 64])
def test_a_made_up_cookie_is_no_session(house: Services, key: tuple[KeyId, str], token: str) -> None:
    http = create_app(house).test_client()
    for text in (token, token.replace("aaaaaaaa", key[0])):
        http.set_cookie("gridpress_session", text)
        assert http.get("/v1/jobs").status_code == 401
        assert http.get("/v1/session").get_json()["is_signed_in"] is False


@pytest.mark.parametrize("sent", ["gp_wrong", "", "gp_abcdefgh_" + "a" * 52])
def test_a_wrong_key_begins_no_session(http: FlaskClient, key: tuple[KeyId, str], sent: str) -> None:
    answer = http.post("/v1/session", headers=with_key(sent))
    assert (answer.status_code, answer.get_json()["code"]) == (401, "unauthorized")
    assert "Set-Cookie" not in answer.headers


def test_a_session_begins_no_other_session(page: FlaskClient) -> None:
    assert page.post("/v1/session", headers=OWN).status_code == 401
