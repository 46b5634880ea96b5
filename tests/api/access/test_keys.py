"""API keys over HTTP: create, list, change, rotate, expire and revoke them, and what they permit."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from flask.testing import FlaskClient

from api.services import Services
from shared.access.keys import KeyId
from shared.access.rights import Scope
from shared.store.access.keys import KeyStore
from shared.store.core.connect import Client
from tests.api.access.keyed import ACME, Keyed
from tests.api.conftest import with_settings

ADMIN, OPERATOR, READ, RENDER = Scope.ADMIN, Scope.OPERATOR, Scope.READ, Scope.RENDER
SMALL = {"prompt": "a", "size": "256x256"}


@pytest.fixture
def admin(http: FlaskClient, client: Client) -> Keyed:
    return Keyed(http, client, ADMIN)


def later(**after: float) -> str:
    return (datetime.now(UTC) + timedelta(**after)).isoformat(timespec="seconds")


def end(client: Client, key_id: str, *, ago_s: float = 1) -> None:
    """Lets the API key expire now, as if the time had passed."""
    client.hset(f"gridpress:key:{key_id}", "expires_ms", int((datetime.now(UTC).timestamp() - ago_s) * 1000))


def test_a_new_key_works_and_its_text_is_shown_once(admin: Keyed, client: Client) -> None:
    made = admin.make(name="the shop")
    assert made["key"].startswith(made["prefix"] == f"gp_{made['id']}_" and made["prefix"])
    assert admin.send("GET", "/v1/jobs", text=made["key"]).status_code == 200
    secret = made["key"].removeprefix(made["prefix"])
    for answer in (admin.send("GET", "/v1/keys"), admin.send("GET", f"/v1/keys/{made['id']}")):
        assert secret not in answer.text
    assert not [key for key in client.scan_iter("*") if secret in str(client.dump(key))]


def test_a_key_has_the_fields_of_its_request(admin: Keyed) -> None:
    made = admin.make(
        name="the shop", scopes=["read"], networks=["203.0.113.7", "2001:db8::/32"], models=["glm-image"],
        expires_at="2999-01-01T00:00:00Z",
    )  # fmt: skip
    found = admin.get(f"/v1/keys/{made['id']}")
    assert {**found, "key": made["key"]} == made
    assert (found["tenant"], found["name"], found["scopes"]) == ("acme", "the shop", ["read"])
    assert (found["networks"], found["models"]) == (["203.0.113.7/32", "2001:db8::/32"], ["glm-image"])
    assert (found["status"], found["expires_at"]) == ("active", "2999-01-01T00:00:00.000Z")
    assert (found["last_used_at"], found["revoked_at"], found["replaced_by"]) == (None, None, None)


def test_a_key_may_render_and_read_unless_something_else_is_said(admin: Keyed) -> None:
    made = admin.make()
    assert (made["scopes"], made["networks"], made["models"]) == (["read", "render"], None, None)
    assert (made["expires_at"], made["name"], made["tenant"]) == (None, "", "acme")


def test_a_list_has_all_keys_of_the_tenant_the_newest_first_page_by_page(admin: Keyed) -> None:
    made = [admin.make(name=str(number))["id"] for number in range(4)]
    admin.post(f"/v1/keys/{made[1]}/revoke")
    everything = admin.get("/v1/keys")
    assert {each["id"] for each in everything["data"]} == {*made, admin.key.key_id}
    assert [each["created_at"] for each in everything["data"]] == sorted(
        (each["created_at"] for each in everything["data"]), reverse=True
    )
    pages, after = [], ""
    while True:
        page = admin.get(f"/v1/keys?limit=2{after}")
        pages += page["data"]
        if not page["has_more"]:
            break
        after = f"&after={page['next']}"
    assert [each["id"] for each in pages] == [each["id"] for each in everything["data"]]
    assert admin.refusal("GET", "/v1/keys?after=x")[:2] == (400, "invalid_request")


def test_the_last_use_is_shown(admin: Keyed) -> None:
    made = admin.make()
    admin.send("GET", "/v1/jobs", text=made["key"])
    assert admin.get(f"/v1/keys/{made['id']}")["last_used_at"]


def test_a_revoked_key_is_refused_for_good(admin: Keyed) -> None:
    made = admin.make()
    revoked = admin.post(f"/v1/keys/{made['id']}/revoke")
    assert (revoked["status"], admin.post(f"/v1/keys/{made['id']}/revoke")["revoked_at"]) == (
        "revoked",
        revoked["revoked_at"],
    )
    assert admin.send("GET", "/v1/jobs", text=made["key"]).status_code == 401
    for method, path in (("PATCH", ""), ("POST", "/rotate")):
        body = {"name": "again"} if method == "PATCH" else {}
        assert admin.refusal(method, f"/v1/keys/{made['id']}{path}", json=body)[:2] == (409, "key_ended")


def test_a_key_expires_at_its_time_though_it_was_just_used(house: Services, client: Client) -> None:
    """The ring holds what it has read for a second; the end of a key counts at once."""
    key, text = KeyStore(client).create(ACME, [READ])
    now = datetime.now(UTC)
    ring = type(house.keys)(house.keys.store, clock=lambda: 0.0, now=lambda: now)
    house.keys.store.change(
        key.key_id, replace(key, rights=replace(key.rights, expires_at=now + timedelta(seconds=1))), {"expires_at"}
    )
    holder = ring.holder(text)
    assert holder
    assert ring.is_still_valid(key)
    assert ring.named(key.key_id)
    now += timedelta(seconds=1)
    assert (ring.holder(text), ring.named(key.key_id), ring.is_still_valid(key)) == (None, None, False)


def test_an_expired_key_is_refused_and_may_be_prolonged(admin: Keyed, client: Client) -> None:
    made = admin.make(expires_at=later(hours=1))
    assert admin.send("GET", "/v1/jobs", text=made["key"]).status_code == 200
    end(client, made["id"])
    assert admin.send("GET", "/v1/jobs", text=made["key"]).status_code == 401
    assert admin.get(f"/v1/keys/{made['id']}")["status"] == "expired"
    assert admin.refusal("POST", f"/v1/keys/{made['id']}/rotate")[:2] == (409, "key_ended")
    assert admin.patch(f"/v1/keys/{made['id']}", json={"expires_at": None})["status"] == "active"
    assert admin.send("GET", "/v1/jobs", text=made["key"]).status_code == 200


@pytest.mark.parametrize("action", ["expire", "revoke", "move"])
def test_a_session_of_a_page_ends_with_its_key(http: FlaskClient, admin: Keyed, client: Client, action: str) -> None:
    made = admin.make()
    page = {"Gridpress-Studio": "1", "Authorization": f"Bearer {made['key']}"}
    assert http.post("/v1/session", headers=page).status_code == 200
    assert http.get("/v1/jobs").status_code == 200
    if action == "expire":
        end(client, made["id"])
    elif action == "revoke":
        admin.post(f"/v1/keys/{made['id']}/revoke")
    else:
        admin.patch(f"/v1/keys/{made['id']}", json={"networks": ["203.0.113.0/24"]})
    assert http.get("/v1/session").get_json()["is_signed_in"] is False
    assert http.get("/v1/jobs").status_code == (403 if action == "move" else 401)


def test_a_rotated_key_works_beside_the_new_one_for_a_while(admin: Keyed, client: Client) -> None:
    old = admin.make(name="the shop", scopes=["read"], networks=["127.0.0.0/8"], models=["a"])
    new = admin.post(f"/v1/keys/{old['id']}/rotate", 201, json={"overlap_s": 3600})
    assert {name for name in new if new[name] != old[name]} == {"id", "prefix", "key", "created_at"}
    for text in (old["key"], new["key"]):
        assert admin.send("GET", "/v1/jobs", text=text).status_code == 200
    found = admin.get(f"/v1/keys/{old['id']}")
    assert (found["replaced_by"], found["status"]) == (new["id"], "active")
    left = datetime.fromisoformat(found["expires_at"]) - datetime.now(UTC)
    assert timedelta(minutes=58) < left <= timedelta(hours=1)
    end(client, old["id"])
    statuses = [admin.send("GET", "/v1/jobs", text=text).status_code for text in (old["key"], new["key"])]
    assert statuses == [401, 200]


def test_an_overlap_never_prolongs_the_old_key_and_0_ends_it(admin: Keyed) -> None:
    soon = later(minutes=5)
    old = admin.make(expires_at=soon)
    new = admin.post(f"/v1/keys/{old['id']}/rotate", 201)
    assert admin.get(f"/v1/keys/{old['id']}")["expires_at"] == old["expires_at"] == new["expires_at"]
    last = admin.post(f"/v1/keys/{new['id']}/rotate", 201, json={"overlap_s": 0, "expires_at": None})
    assert (last["expires_at"], admin.get(f"/v1/keys/{new['id']}")["status"]) == (None, "expired")
    assert admin.send("GET", "/v1/jobs", text=new["key"]).status_code == 401


def test_a_key_is_replaced_once(admin: Keyed) -> None:
    old = admin.make()
    admin.post(f"/v1/keys/{old['id']}/rotate", 201)
    assert admin.refusal("POST", f"/v1/keys/{old['id']}/rotate")[:2] == (409, "key_ended")
    assert len(admin.get("/v1/keys")["data"]) == 3


def test_a_change_keeps_what_it_does_not_name(admin: Keyed) -> None:
    made = admin.make(name="the shop", networks=["203.0.113.0/24"], models=["a"], expires_at=later(days=1))
    for change in ({"name": "the other shop"}, {"models": None}, {"networks": []}, {"scopes": ["read"]}):
        before = admin.get(f"/v1/keys/{made['id']}")
        after = admin.patch(f"/v1/keys/{made['id']}", json=change)
        assert after == admin.get(f"/v1/keys/{made['id']}")
        assert {name for name in after if after[name] != before[name]} == set(change)
    assert (after["networks"], after["models"], after["scopes"]) == (None, None, ["read"])


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"scopes": []}, "scopes"),
        ({"scopes": ["root"]}, "scopes[0]"),
        ({"networks": ["10.0.0.1/8"]}, "networks[0]"),
        ({"networks": ["10.0.0.0/8", "home.example"]}, "networks[1]"),
        ({"models": [" "]}, "models[0]"),
        ({"expires_at": "2020-01-01T00:00:00Z"}, "expires_at"),
        ({"expires_at": "tomorrow"}, "expires_at"),
        ({"name": "x" * 101}, "name"),
        ({"colour": "red"}, "colour"),
    ],
)
def test_a_bad_field_is_named_and_nothing_changes(admin: Keyed, fields: dict[str, Any], field: str) -> None:
    made = admin.make()
    before = admin.get("/v1/keys")
    assert admin.refusal("POST", "/v1/keys", json=fields) == (400, "invalid_request", field)
    assert admin.refusal("PATCH", f"/v1/keys/{made['id']}", json=fields) == (400, "invalid_request", field)
    assert admin.get("/v1/keys") == before


@pytest.mark.parametrize(
    ("fields", "field"),
    [({"tenant": "Acme Inc"}, "tenant"), ({"overlap_s": -1}, "overlap_s"), ({"overlap_s": 10**9}, "overlap_s")],
)
def test_other_bad_fields_are_named_too(admin: Keyed, fields: dict[str, Any], field: str) -> None:
    path = "/v1/keys" if "tenant" in fields else f"/v1/keys/{admin.key.key_id}/rotate"
    assert admin.refusal("POST", path, json=fields) == (400, "invalid_request", field)
    assert len(admin.get("/v1/keys")["data"]) == 1


@pytest.mark.parametrize("key_id", ["aaaaaaaa", "x", "A" * 8, "aaaaaaaa:x", "%2e%2e"])
def test_an_unknown_key_is_not_found(admin: Keyed, key_id: str) -> None:
    asked = (("GET", ""), ("PATCH", ""), ("POST", "/rotate"), ("POST", "/revoke"))
    for method, action in asked:
        body = {"json": {"name": "a"}} if method == "PATCH" else {}
        assert admin.refusal(method, f"/v1/keys/{key_id}{action}", **body)[:2] == (404, "key_not_found")


def test_a_retry_creates_no_second_key_and_shows_no_secret(admin: Keyed, client: Client) -> None:
    headers = {"Idempotency-Key": "one"}
    made = admin.post("/v1/keys", 201, json={"name": "a"}, headers=headers)
    for _ in range(3):
        answer = admin.send("POST", "/v1/keys", json={"name": "a"}, headers=headers)
        assert (answer.status_code, answer.get_json()["code"]) == (409, "key_exists")
        assert made["id"] in answer.get_json()["detail"]
        assert made["key"] not in answer.text
    assert len(admin.get("/v1/keys")["data"]) == 2
    assert not [key for key in client.scan_iter("gridpress:idem*") if made["key"].encode() in client.dump(key)]


def test_a_retried_rotation_replaces_once(admin: Keyed) -> None:
    made, headers = admin.make(), {"Idempotency-Key": "one"}
    path = f"/v1/keys/{made['id']}/rotate"
    new = admin.post(path, 201, headers=headers)
    assert admin.refusal("POST", path, headers=headers)[:2] == (409, "key_exists")
    assert admin.get(f"/v1/keys/{made['id']}")["replaced_by"] == new["id"]


def test_a_tenant_has_so_many_keys_and_ended_ones_make_room(house: Services, client: Client) -> None:
    admin = Keyed(with_settings(house, max_api_keys=3), client, ADMIN)
    first, second = admin.make(), admin.make()
    assert admin.refusal("POST", "/v1/keys", json={})[:2] == (409, "too_many_keys")
    admin.post(f"/v1/keys/{first['id']}/revoke")
    third = admin.make()
    end(client, second["id"])
    fourth = admin.make()
    assert {each["id"] for each in admin.get("/v1/keys")["data"]} == {third["id"], fourth["id"], admin.key.key_id}
    assert admin.send("GET", "/v1/jobs", text=first["key"]).status_code == 401
    assert admin.refusal("POST", "/v1/keys", json={})[:2] == (409, "too_many_keys")


def test_before_the_first_key_none_is_made_here(http: FlaskClient, client: Client) -> None:
    answer = http.post("/v1/keys", json={})
    assert (answer.status_code, answer.get_json()["code"]) == (409, "no_key_yet")
    assert http.get("/v1/keys").get_json() == {"data": [], "has_more": False, "next": None}
    assert http.post("/v1/jobs", json=SMALL).status_code == 202
    assert not KeyStore(client).has_any()


def test_a_key_of_an_earlier_release_is_listed_and_works(admin: Keyed, client: Client) -> None:
    """It is in no list of a tenant, and has none of the new fields."""
    made = admin.make()
    client.delete("gridpress:keys_of:acme", "gridpress:keys_listed")
    assert {each["id"] for each in admin.get("/v1/keys")["data"]} == {made["id"], admin.key.key_id}
    old, _ = KeyStore(client).create(ACME, [READ])
    client.zrem("gridpress:keys_of:acme", old.key_id)
    client.decr("gridpress:keys_listed")
    assert KeyId(old.key_id) in {each["id"] for each in admin.get("/v1/keys")["data"]}
