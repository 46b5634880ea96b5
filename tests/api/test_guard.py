import pytest
from flask.testing import FlaskClient

from api.services import Services
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


def test_beyond_loopback_keys_guard_and_not_names(house: Services) -> None:
    assert status(with_settings(house, host="0.0.0.0"), Host="pictures.example.com") == 200
