import pytest
from flask.testing import FlaskClient

from api.services import Services
from shared.access.keys import Scope
from shared.errors import StoreUnavailable
from shared.ids import DEFAULT_TENANT
from shared.store.access.key_ring import KeyRing
from shared.store.access.keys import KeyStore
from shared.store.core.connect import Client
from tests.api.conftest import with_settings


def status(http: FlaskClient, **headers: str) -> int:
    return http.get("/healthz", headers=headers).status_code


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST:8000", "127.0.0.1:8000", "127.0.0.9", "[::1]:8000", "[::1]"])
def test_names_of_this_machine_are_served(http: FlaskClient, host: str) -> None:
    assert status(http, Host=host) == 200


@pytest.mark.parametrize(
    "host",
    ["evil.example", "evil.example:8000", "localhost.evil.example", "10.0.0.1", "", "user@localhost.evil", "[::2]"],
)
def test_other_names_that_lead_here_are_refused(http: FlaskClient, host: str) -> None:
    answer = http.get("/v1/webhooks/secret", headers={"Host": host})
    assert answer.status_code == 403
    assert answer.get_json()["code"] == "forbidden_host"


@pytest.mark.parametrize("host", ["[", "a b", "///", "\xe9.example"])
def test_a_broken_host_is_refused(http: FlaskClient, host: str) -> None:
    answer = http.get("/healthz", headers={"Host": host})
    assert answer.status_code in (400, 403)
    assert answer.content_type == "application/problem+json"


@pytest.mark.parametrize("origin", ["http://localhost:3000", "https://127.0.0.1", "http://[::1]:8000"])
def test_pages_of_this_machine_may_call(http: FlaskClient, origin: str) -> None:
    assert status(http, Origin=origin) == 200


@pytest.mark.parametrize("origin", ["https://evil.example", "null", "", "http://localhost.evil.example", "http://["])
def test_pages_of_other_sites_may_not(http: FlaskClient, origin: str) -> None:
    answer = http.post("/v1/jobs", json={"prompt": "a"}, headers={"Origin": origin})
    assert (answer.status_code, answer.get_json()["code"]) == (403, "forbidden_origin")
    assert http.get("/v1/jobs").get_json()["data"] == []


def test_the_public_url_is_ours_too(house: Services) -> None:
    http = with_settings(house, public_url="https://pictures.example.com:8443/base")
    assert status(http, Host="pictures.example.com", Origin="https://pictures.example.com") == 200
    assert status(http, Host="other.example.com") == 403


def test_an_unknown_route_under_a_foreign_name_is_not_even_unknown(http: FlaskClient) -> None:
    assert http.get("/nothing", headers={"Host": "evil.example"}).status_code == 403


PROXIED = {
    "X-Forwarded-For": "203.0.113.9",
    "x-forwarded-host": "pictures.example.com",
    "X-Forwarded-Proto": "https",
    "X-Forwarded-Port": "443",
    "X-Forwarded-Server": "edge",
    "X-Forwarded-Prefix": "/pictures",
    "Forwarded": "for=203.0.113.9;proto=https",
    "Via": "1.1 edge",
    "X-Real-IP": "203.0.113.9",
    "CF-Connecting-IP": "203.0.113.9",
    "True-Client-IP": "203.0.113.9",
    "X-Client-IP": "203.0.113.9",
    "X-Original-Host": "pictures.example.com",
    "X-Envoy-External-Address": "203.0.113.9",
}


@pytest.mark.attack
@pytest.mark.parametrize("name", PROXIED)
@pytest.mark.parametrize("path", ["/v1/jobs", "/readyz", "/healthz", "/v1/webhooks/secret", "/docs", "/nothing"])
def test_an_api_without_keys_takes_nothing_from_a_proxy(http: FlaskClient, path: str, name: str) -> None:
    answer = http.get(path, headers={name: PROXIED[name]})
    assert (answer.status_code, answer.get_json()["code"]) == (403, "forbidden_proxy")
    assert "gridpress keys create" in answer.get_json()["detail"]


@pytest.mark.attack
def test_a_foreign_name_is_told_what_to_do(http: FlaskClient) -> None:
    detail = http.post("/v1/jobs", json={"prompt": "a"}, headers={"Host": "pictures.example.com"}).get_json()["detail"]
    assert "gridpress keys create" in detail
    assert http.get("/v1/jobs").get_json()["data"] == []


@pytest.mark.attack
@pytest.mark.parametrize("field", [*PROXIED.items(), ("Host", "pictures.example.com")])
def test_with_keys_what_a_proxy_says_means_nothing(http: FlaskClient, client: Client, field: tuple[str, str]) -> None:
    _, text = KeyStore(client).create(DEFAULT_TENANT, [Scope.READ])
    key = {"Authorization": f"Bearer {text}"}
    plain, proxied = (http.get("/v1/jobs", headers=headers) for headers in (key, {**key, field[0]: field[1]}))
    assert (plain.status_code, plain.data) == (proxied.status_code, proxied.data) == (200, plain.data)
    assert http.get("/v1/jobs", headers=dict([field])).status_code == 401


def test_while_the_store_is_away_only_life_itself_is_told_to_a_proxy(
    http: FlaskClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(_: object) -> bool:
        raise StoreUnavailable("it is away")

    monkeypatch.setattr(KeyRing, "is_open", away)
    assert status(http, Host="pictures.example.com") == 200
    assert http.get("/v1/jobs", headers={"Host": "pictures.example.com"}).status_code == 503


def test_beyond_loopback_keys_guard_and_not_names(house: Services) -> None:
    assert status(with_settings(house, host="0.0.0.0"), Host="pictures.example.com") == 200
