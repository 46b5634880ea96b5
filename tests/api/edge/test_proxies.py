"""What a trusted proxy says of a request is believed, and what anybody else says is not."""

from collections.abc import Iterator
from dataclasses import replace
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import pytest
from flask import request
from flask.testing import FlaskClient
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

import api
from api.app import create_app
from api.edge.proxies import client_of
from api.services import Services
from shared.settings.networks import address_of, read_networks
from shared.settings.settings import Settings
from shared.store.access.keys import KeyStore
from tests.api.conftest import with_settings

TRUSTED = "10.0.0.0/8,fd00::/8,127.0.0.1"
NETWORKS = read_networks(TRUSTED)
PROXY, STRANGER = "10.0.0.7", "203.0.113.66"
TOLD = {
    "X-Forwarded-For": "198.51.100.9",
    "X-Forwarded-Proto": "https",
    "X-Forwarded-Host": "pictures.example.com",
    "X-Forwarded-Prefix": "/gridpress",
}


@pytest.fixture
def key(house: Services) -> Iterator[dict[str, str]]:
    """A key, without which the API takes nothing that came through a proxy."""
    _, text = KeyStore(house.store._client).create("acme", ["render", "read"])
    return {"Authorization": f"Bearer {text}"}


def links(http: FlaskClient, peer: str = PROXY, path: str = "/", **fields: str) -> str:
    answer = http.get(path, headers=fields, environ_overrides={"REMOTE_ADDR": peer})
    assert answer.status_code == 200, answer.text
    return str(answer.get_json()["links"]["docs"]).removesuffix("/docs")


def is_strict(http: FlaskClient, peer: str) -> bool:
    answer = http.get("/", headers=TOLD, environ_overrides={"REMOTE_ADDR": peer})
    return "Strict-Transport-Security" in answer.headers


@pytest.mark.parametrize(
    ("peer", "hops", "client"),
    [
        (PROXY, "", PROXY),
        (PROXY, "198.51.100.9", "198.51.100.9"),
        (PROXY, "198.51.100.9:4711", "198.51.100.9"),
        (PROXY, "1.1.1.1, 198.51.100.9", "198.51.100.9"),  # the client sent the first itself
        (PROXY, "198.51.100.9, 10.0.0.8,10.0.0.9", "198.51.100.9"),
        (PROXY, "1.1.1.1, 198.51.100.9, 10.0.0.8", "198.51.100.9"),
        (PROXY, "10.0.0.1, 10.0.0.8", "10.0.0.1"),
        (PROXY, "198.51.100.9, unknown", PROXY),
        (PROXY, "198.51.100.9, <script>, 10.0.0.8", "10.0.0.8"),
        (PROXY, "198.51.100.9,", PROXY),
        ("fd00::7", "2001:db8::9", "2001:db8::9"),
        ("fd00::7", "[2001:db8::9]:4711", "2001:db8::9"),
        ("::ffff:10.0.0.7", "::ffff:198.51.100.9", "198.51.100.9"),
    ],
)
def test_the_client_is_the_last_hop_that_is_no_trusted_proxy(peer: str, hops: str, client: str) -> None:
    found = address_of(peer)
    assert found
    assert str(client_of(found, hops, NETWORKS)) == client


@given(st.text())
def test_what_a_client_sends_before_its_own_address_changes_nothing(sent: str) -> None:
    assert str(client_of(ip_address(PROXY), f"{sent},198.51.100.9,10.0.0.8", NETWORKS)) == "198.51.100.9"


@pytest.mark.parametrize(("peer", "seen"), [(PROXY, "198.51.100.9"), (STRANGER, STRANGER)])
def test_routes_and_hooks_see_the_address_that_may_be_believed(
    house: Services, key: dict[str, str], peer: str, seen: str
) -> None:
    app = create_app(_with(house, trusted_proxies=TRUSTED))
    addresses = []
    app.before_request(lambda: addresses.append((request.remote_addr, request.scheme)))
    app.test_client().get("/healthz", headers={**TOLD, **key}, environ_overrides={"REMOTE_ADDR": peer})
    assert addresses == [(seen, "https" if peer == PROXY else "http")]


def test_links_lead_where_the_clients_of_a_trusted_proxy_came_from(house: Services, key: dict[str, str]) -> None:
    http = with_settings(house, trusted_proxies=TRUSTED)
    assert links(http, **TOLD) == "https://pictures.example.com/gridpress"
    assert links(http, "fd00::7", **TOLD) == "https://pictures.example.com/gridpress"
    assert links(http, **{"X-Forwarded-Proto": "https"}) == "https://localhost"


@pytest.mark.parametrize("peer", [STRANGER, "2001:db8::1", ""])
def test_nobody_else_moves_a_link(house: Services, key: dict[str, str], peer: str) -> None:
    http = with_settings(house, trusted_proxies=TRUSTED)
    assert links(http, peer, **TOLD) == "http://127.0.0.1:8000"
    assert (
        "Strict-Transport-Security" not in http.get("/", headers=TOLD, environ_overrides={"REMOTE_ADDR": peer}).headers
    )


def test_without_the_setting_nobody_is_believed(house: Services, key: dict[str, str]) -> None:
    assert links(with_settings(house), "127.0.0.1", **TOLD) == "http://127.0.0.1:8000"


def test_a_public_url_that_is_set_beats_what_a_proxy_says(house: Services, key: dict[str, str]) -> None:
    http = with_settings(house, trusted_proxies=TRUSTED, public_url="https://one.example.com/")
    assert links(http, **TOLD) == "https://one.example.com"


def test_with_a_public_url_no_prefix_hides_a_path_from_the_rules_of_a_proxy(
    house: Services, key: dict[str, str]
) -> None:
    sent: dict[str, Any] = {"environ_overrides": {"REMOTE_ADDR": PROXY}}
    for public_url, path in (("https://one.example.com", "/v1/jobs"), (PREFIXED, "/gridpress/v1/jobs")):
        http = with_settings(house, trusted_proxies=TRUSTED, public_url=public_url)
        fields = {**key, "X-Forwarded-Prefix": "/x"}
        assert http.get(f"/x{path}", headers=fields, **sent).status_code == 404
        assert http.get(path, headers=fields, **sent).status_code == 200


@pytest.mark.parametrize(
    "fields",
    [
        {"X-Forwarded-Host": "evil.example/x", "X-Forwarded-Proto": "javascript", "X-Forwarded-Prefix": "//evil"},
        {"X-Forwarded-Host": "a b", "X-Forwarded-Proto": "", "X-Forwarded-Prefix": "/../x"},
        {"X-Forwarded-Host": "a@b", "X-Forwarded-Proto": "HTTPS!", "X-Forwarded-Prefix": "x"},
    ],
)
def test_a_value_that_is_none_is_passed_over(house: Services, key: dict[str, str], fields: dict[str, str]) -> None:
    assert links(with_settings(house, trusted_proxies=TRUSTED), **fields) == "http://localhost"


def test_of_several_values_the_nearest_proxys_counts(house: Services, key: dict[str, str]) -> None:
    sent = {name: f"{'/evil' if name.endswith('Prefix') else 'evil.example'}, {value}" for name, value in TOLD.items()}
    assert links(with_settings(house, trusted_proxies=TRUSTED), **sent) == "https://pictures.example.com/gridpress"


def test_forwarded_is_not_read(house: Services, key: dict[str, str]) -> None:
    http = with_settings(house, trusted_proxies=TRUSTED)
    assert links(http, Forwarded="for=1.1.1.1;host=evil.example;proto=https") == "http://localhost"


@pytest.mark.attack
@pytest.mark.parametrize("name", [*TOLD, "Forwarded"])
def test_an_api_without_keys_takes_nothing_from_a_proxy_even_a_trusted_one(house: Services, name: str) -> None:
    http = with_settings(house, trusted_proxies=TRUSTED)
    fields = {name: TOLD.get(name, "for=1.1.1.1")}
    for peer in (PROXY, "127.0.0.1", STRANGER):
        answer = http.get("/healthz", headers=fields, environ_overrides={"REMOTE_ADDR": peer})
        assert answer.status_code == 403


PREFIXED = "https://pictures.example.com/gridpress"


@pytest.mark.parametrize("prefix", ["", "/gridpress"], ids=["taken off by the proxy", "left on"])
def test_under_a_sub_path_every_link_leads_back(house: Services, key: dict[str, str], prefix: str) -> None:
    http = with_settings(house, trusted_proxies=TRUSTED, public_url=PREFIXED)
    job = http.post(f"{prefix}/v1/jobs", json={"prompt": "a"}, headers=key)
    assert job.headers["Location"].startswith(f"{PREFIXED}/v1/jobs/job_")
    for link in [job.headers["Location"], *job.get_json()["links"].values()]:
        assert link.startswith(f"{PREFIXED}/v1/jobs/")
    path = job.headers["Location"].removeprefix(PREFIXED)
    assert http.get(f"{prefix}{path}", headers=key).status_code == 200
    assert http.get(f"{prefix}/openapi.json").get_json()["servers"] == [{"url": "/gridpress"}]
    assert http.get(f"{prefix}/docs").status_code == 200
    assert http.get(f"{prefix}/docs/start.js").status_code == 200
    assert http.get(f"{prefix}/v1/jobs/nothing", headers=key).get_json()["instance"] == "/v1/jobs/nothing"
    assert http.get(f"{prefix}/" if prefix else "/").get_json()["links"]["docs"] == f"{PREFIXED}/docs"


def test_a_job_made_through_a_trusted_proxy_is_found_where_its_client_is(house: Services, key: dict[str, str]) -> None:
    http = with_settings(house, trusted_proxies=TRUSTED)
    sent = {"headers": {**TOLD, **key}, "environ_overrides": {"REMOTE_ADDR": PROXY}}
    job = http.post("/v1/jobs", json={"prompt": "a"}, **sent)
    for link in [job.headers["Location"], *job.get_json()["links"].values()]:
        assert link.startswith(f"{PREFIXED}/v1/jobs/")
    http.post(f"/v1/jobs/{job.get_json()['id']}/cancel", **sent)
    assert http.get(job.headers["Location"].removeprefix(PREFIXED), **sent).status_code == 200


def test_no_route_makes_a_link_by_itself() -> None:
    """Links begin with `base_url()`; the setting alone would pass over what a trusted proxy says."""
    folder = Path(api.__file__).parent
    readers = {path.name for path in folder.rglob("*.py") if "settings.public_url" in path.read_text()}
    assert readers == {"examples.py", "keyless_access.py", "proxies.py"}


def test_the_sub_path_itself_is_the_start_and_another_one_is_nothing(house: Services, key: dict[str, str]) -> None:
    http = with_settings(house, public_url=PREFIXED)
    assert http.get("/gridpress").status_code == 200
    for path in ("/gridpressed/healthz", "/gridpress/gridpress/healthz", "/other/healthz"):
        assert http.get(path, headers=key).status_code == 404


@pytest.mark.parametrize("prefix", ["/v1", "/api", "/docs"])
def test_a_sub_path_like_a_route_of_ours_has_to_be_taken_off(house: Services, key: dict[str, str], prefix: str) -> None:
    http = with_settings(house, public_url=f"https://pictures.example.com{prefix}")
    assert http.get("/v1/jobs", headers=key).status_code == 200
    assert http.get("/docs").status_code == 200


@pytest.mark.parametrize("public_url", ["https://one.example.com", PREFIXED])
@pytest.mark.parametrize(
    "path",
    [
        *("", "//evil.example", "//evil.example/", "///evil.example/v1/jobs", "/\\evil.example", "/.//evil.example"),
        *("//v1//jobs", "/v1//jobs", "/v1/jobs/", "/docs/", "//docs", "/docs//evil.example", "/https://evil.example/"),
        *("/gridpress", "/gridpress//evil.example/", "/gridpress//docs", "/gridpress///evil.example"),
    ],
)
def test_no_path_is_redirected_to_a_host_that_the_request_names(
    house: Services, key: dict[str, str], public_url: str, path: str
) -> None:
    http = with_settings(house, trusted_proxies=TRUSTED, public_url=public_url)
    for fields in ({}, {"X-Forwarded-Host": "evil.example"}, {"X-Forwarded-Prefix": "/evil"}, {"Host": "evil.example"}):
        answer = http.get("/", headers={**key, **fields}, environ_overrides={"REMOTE_ADDR": PROXY, "PATH_INFO": path})
        is_moved = path == "/docs/"  # its page has links relative to /docs
        assert answer.status_code in ((308,) if is_moved else (200, 404))
        assert answer.headers.get("Location") == ("../docs" if is_moved else None)


def test_the_document_of_one_address_is_not_anothers(house: Services, key: dict[str, str]) -> None:
    http = with_settings(house, trusted_proxies=TRUSTED)
    for prefix in ("/one", "/two"):
        fields = {"X-Forwarded-Prefix": prefix}
        document = http.get("/openapi.json", headers=fields, environ_overrides={"REMOTE_ADDR": PROXY}).get_json()
        assert document["servers"] == [{"url": prefix}]


@pytest.mark.parametrize("text", ["proxy.example.com", "10.0.0.0/33", "10.0.0.1/8", "*", "10.0.0.0/8;10.1.0.0/16"])
def test_what_is_no_network_is_refused_at_the_start(text: str) -> None:
    with pytest.raises(ValidationError, match="trusted_proxies"):
        Settings(trusted_proxies=text)


@pytest.mark.parametrize(
    "url", ["pictures.example.com", "ftp://a", "https://", "https://a/?b", "https://a/#b", "https://a b"]
)
def test_a_public_url_that_no_link_can_begin_with_is_refused(url: str) -> None:
    with pytest.raises(ValidationError, match="public_url"):
        Settings(public_url=url)


def _with(house: Services, **changes: Any) -> Services:
    return replace(house, settings=house.settings.model_copy(update=changes))
