"""An API key grants only what it has itself, and a tenant manages its own API keys alone."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from flask.testing import FlaskClient

from api.services import Services
from shared.access.rights import Scope
from shared.store.access.keys import KeyStore
from shared.store.core.connect import Client
from tests.api.access.keyed import ACME, GLOBEX, Keyed
from tests.api.conftest import with_settings

pytestmark = pytest.mark.attack

ADMIN, OPERATOR, READ, RENDER = Scope.ADMIN, Scope.OPERATOR, Scope.READ, Scope.RENDER
NOW = datetime.now(UTC)
SOON, LATE = NOW + timedelta(days=1), NOW + timedelta(days=2)
EXCEEDS = (403, "exceeds_own_key")
SMALL = {"prompt": "a", "size": "256x256"}


def state(client: Client) -> dict[str, Any]:
    """All API keys as they are stored, without the times of their last use."""
    found = {key: client.hgetall(key) for key in client.scan_iter("gridpress:key:*")}
    for fields in found.values():
        fields.pop("last_used_ms", None)
    return found


@pytest.mark.parametrize("scopes", [[READ], [RENDER], [READ, RENDER], [OPERATOR], [READ, RENDER, OPERATOR]])
def test_managing_keys_needs_admin(http: FlaskClient, client: Client, scopes: list[Scope]) -> None:
    caller = Keyed(http, client, *scopes)
    own = f"/v1/keys/{caller.key.key_id}"
    before = state(client)
    for method, path in (
        ("GET", "/v1/keys"), ("POST", "/v1/keys"), ("GET", own), ("PATCH", own), ("POST", f"{own}/rotate"),
        ("POST", f"{own}/revoke"),
    ):  # fmt: skip
        assert caller.refusal(method, path)[:2] == (403, "missing_scope")
    assert state(client) == before


LIMITED = [
    ({}, {"scopes": ["operator"]}, "scopes"),
    ({}, {"scopes": ["read", "admin", "operator"]}, "scopes"),
    ({"networks": "127.0.0.0/8"}, {"networks": None}, "networks"),
    ({"networks": "127.0.0.0/8"}, {"networks": []}, "networks"),
    ({"networks": "127.0.0.0/8"}, {"networks": ["10.0.0.0/8"]}, "networks"),
    ({"networks": "127.0.0.0/8"}, {"networks": ["127.0.0.1", "::1"]}, "networks"),
    ({"networks": "127.0.0.0/8"}, {"networks": ["126.0.0.0/7"]}, "networks"),
    ({"models": ("a", "b")}, {"models": None}, "models"),
    ({"models": ("a", "b")}, {"models": ["a", "c"]}, "models"),
    ({"expires_at": SOON}, {"expires_at": None}, "expires_at"),
    ({"expires_at": SOON}, {"expires_at": LATE.isoformat()}, "expires_at"),
]


@pytest.mark.parametrize(("own", "asked", "field"), LIMITED)
def test_no_key_grants_more_than_it_has(
    http: FlaskClient, client: Client, own: dict[str, Any], asked: dict[str, Any], field: str
) -> None:
    """Neither with a new key, nor by a change of another key or of itself, nor by a rotation."""
    caller = Keyed(http, client, ADMIN, **own)
    other = caller.make()
    before = state(client)
    assert caller.refusal("POST", "/v1/keys", json=asked) == (*EXCEEDS, field)
    for key_id in (other["id"], caller.key.key_id):
        assert caller.refusal("PATCH", f"/v1/keys/{key_id}", json=asked) == (*EXCEEDS, field)
        if field == "expires_at":
            assert caller.refusal("POST", f"/v1/keys/{key_id}/rotate", json=asked) == (*EXCEEDS, field)
    assert state(client) == before


@pytest.mark.parametrize(
    ("own", "asked"),
    [
        ({}, {"scopes": ["read", "render", "admin"]}),
        ({"networks": "127.0.0.0/8"}, {"networks": ["127.0.0.1", "127.1.0.0/16"]}),
        ({"models": ("GLM-Image", "b")}, {"models": ["glm-image"]}),
        ({"expires_at": SOON}, {"expires_at": (NOW + timedelta(hours=1)).isoformat()}),
    ],
)
def test_what_a_key_has_it_grants(
    http: FlaskClient, client: Client, own: dict[str, Any], asked: dict[str, Any]
) -> None:
    caller = Keyed(http, client, ADMIN, **own)
    made = caller.make(**asked)
    assert caller.patch(f"/v1/keys/{made['id']}", json=asked)["id"] == made["id"]


def test_a_restricted_key_passes_its_restrictions_on(http: FlaskClient, client: Client) -> None:
    caller = Keyed(http, client, ADMIN, networks="127.0.0.0/8", models=("a",), expires_at=SOON)
    made = caller.make()
    assert (made["networks"], made["models"]) == (["127.0.0.0/8"], ["a"])
    assert datetime.fromisoformat(made["expires_at"]) <= SOON
    new = caller.post(f"/v1/keys/{made['id']}/rotate", 201)
    assert (new["networks"], new["models"], new["expires_at"]) == (made["networks"], made["models"], made["expires_at"])


def test_a_key_with_more_rights_is_not_rotated_or_changed(http: FlaskClient, client: Client) -> None:
    """The answer to a rotation is a key with the rights of the old one."""
    caller = Keyed(http, client, ADMIN, expires_at=SOON)
    stronger = Keyed(http, client, READ)
    before = state(client)
    path = f"/v1/keys/{stronger.key.key_id}"
    assert caller.refusal("POST", f"{path}/rotate") == (*EXCEEDS, "expires_at")
    assert caller.refusal("PATCH", path, json={"name": "mine"}) == (*EXCEEDS, "expires_at")
    assert state(client) == before


def test_an_admin_does_not_touch_an_operators_key(http: FlaskClient, client: Client) -> None:
    operator, admin = Keyed(http, client, ADMIN, OPERATOR), Keyed(http, client, ADMIN)
    before = state(client)
    path = f"/v1/keys/{operator.key.key_id}"
    for body in ({"scopes": ["read"]}, {"name": "a"}, {"expires_at": LATE.isoformat()}, {"networks": ["192.0.2.1"]}):
        assert admin.refusal("PATCH", path, json=body)[:2] == EXCEEDS
    for action in ("rotate", "revoke"):
        assert admin.refusal("POST", f"{path}/{action}")[:2] == EXCEEDS
    assert state(client) == before
    assert operator.post(f"/v1/keys/{admin.key.key_id}/revoke")["status"] == "revoked"


def test_an_idempotency_key_of_a_stronger_key_tells_a_weaker_one_nothing(http: FlaskClient, client: Client) -> None:
    operator, admin = Keyed(http, client, ADMIN, OPERATOR), Keyed(http, client, ADMIN)
    asked = {"json": {"scopes": ["admin", "operator"]}, "headers": {"Idempotency-Key": "one"}}
    made = operator.post("/v1/keys", 201, **asked)
    answer = admin.send("POST", "/v1/keys", **asked)
    assert answer.status_code == 403
    assert made["key"] not in answer.text


def test_a_tenant_knows_and_changes_its_own_keys_alone(http: FlaskClient, client: Client) -> None:
    ours, theirs = Keyed(http, client, ADMIN, tenant=ACME), Keyed(http, client, ADMIN, tenant=GLOBEX)
    made = theirs.make(name="a secret name")
    before = state(client)
    path = f"/v1/keys/{made['id']}"
    for method, where, body in (
        ("GET", path, None), ("PATCH", path, {"name": "mine"}), ("POST", f"{path}/rotate", {}),
        ("POST", f"{path}/revoke", None),
    ):  # fmt: skip
        answer = ours.send(method, where, **({"json": body} if body is not None else {}))
        assert (answer.status_code, answer.get_json()["code"]) == (404, "key_not_found")
        assert "secret" not in answer.text
    assert [each["id"] for each in ours.get("/v1/keys")["data"]] == [ours.key.key_id]
    assert ours.get(f"/v1/keys?after={made['id']}")["data"] == []
    for query in ("tenant=globex", "all_tenants=true", "tenant=nobody"):
        assert ours.refusal("GET", f"/v1/keys?{query}")[:2] == (403, "missing_scope")
    assert ours.refusal("POST", "/v1/keys", json={"tenant": "globex"})[:2] == (403, "missing_scope")
    assert state(client) == before


def test_an_operator_manages_the_keys_of_all_tenants(http: FlaskClient, client: Client) -> None:
    operator, tenants = Keyed(http, client, ADMIN, OPERATOR), Keyed(http, client, ADMIN, tenant=GLOBEX)
    made = operator.make(tenant="globex", scopes=["admin"])
    assert [each["id"] for each in operator.get("/v1/keys")["data"]] == [operator.key.key_id]
    listed = {each["id"] for each in operator.get("/v1/keys?tenant=globex")["data"]}
    assert listed == {made["id"], tenants.key.key_id}
    assert {each["id"] for each in operator.get("/v1/keys?all_tenants=true")["data"]} == listed | {operator.key.key_id}
    assert tenants.get(f"/v1/keys/{made['id']}")["tenant"] == "globex"
    new = operator.post(f"/v1/keys/{made['id']}/rotate", 201, json={"overlap_s": 0})
    assert operator.send("GET", "/v1/limits", text=new["key"]).get_json()["tenant"] == "globex"
    assert operator.post(f"/v1/keys/{tenants.key.key_id}/revoke")["status"] == "revoked"


@pytest.mark.parametrize(
    ("networks", "address", "status"),
    [
        ("203.0.113.0/24", "203.0.113.9", 200),
        ("203.0.113.0/24", "::ffff:203.0.113.9", 200),
        ("203.0.113.0/24,2001:db8::/32", "2001:db8::1", 200),
        ("203.0.113.0/24", "203.0.114.9", 403),
        ("203.0.113.0/24", "2001:db8::1", 403),
        ("203.0.113.0/24", "", 403),
    ],
)
def test_a_key_works_from_its_networks_alone(
    http: FlaskClient, client: Client, networks: str, address: str, status: int
) -> None:
    caller = Keyed(http, client, READ, networks=networks)
    answer = caller.send("GET", "/v1/jobs", address=address)
    assert answer.status_code == status
    if status == 403:
        assert answer.get_json()["code"] == "forbidden_network"
        assert "/24" not in answer.text


def test_a_header_field_of_a_client_is_no_address(house: Services, client: Client) -> None:
    """Of a trusted proxy it is."""
    caller = Keyed(with_settings(house), client, READ, networks="203.0.113.0/24")
    told = {"headers": {"X-Forwarded-For": "203.0.113.9"}}
    assert caller.send("GET", "/v1/jobs", **told).status_code == 403
    behind = with_settings(house, trusted_proxies="127.0.0.0/8")
    headers = {"Authorization": f"Bearer {caller.text}", **told["headers"]}
    assert behind.get("/v1/jobs", headers=headers).status_code == 200


RENDERING = [
    ("POST", "/v1/jobs", SMALL),
    ("PUT", "/v1/jobs/poster", SMALL),
    ("POST", "/v1/images/generations", {"prompt": "a"}),
    ("POST", "/paas/v4/async/images/generations", {"prompt": "a", "model": "glm-image"}),
]


@pytest.mark.parametrize(("method", "path", "body"), RENDERING)
def test_a_key_for_other_models_renders_nothing(
    http: FlaskClient, client: Client, method: str, path: str, body: dict[str, Any]
) -> None:
    caller = Keyed(http, client, ADMIN, models=("sdxl",))
    answer = caller.send(method, path, json=body)
    assert answer.status_code == 403, answer.text
    assert "forbidden_model" in answer.text
    assert caller.get("/v1/jobs")["data"] == []


@pytest.mark.parametrize(("path", "dry_run"), [("", False), ("", True), ("/validate", False)])
@pytest.mark.parametrize(
    ("defaults", "field"),
    [({}, None), ({"model": "glm-image"}, "defaults.model"), ({"model": "zai-org/GLM-Image"}, "defaults.model")],
)
def test_a_batch_for_models_that_the_key_may_not_use_is_refused_as_a_job_is(
    http: FlaskClient, client: Client, path: str, dry_run: bool, defaults: dict[str, str], field: str | None
) -> None:
    """Lines may name other models, so without a default what counts is whether any line could be rendered."""
    caller = Keyed(http, client, ADMIN, models=("sdxl",))
    asked = {"input_file_id": "file-01ke6q8v3c9t0n5w7x2z4b6d8f", "endpoint": "/v1/jobs", "completion_window": "24h"}
    answer = caller.send("POST", f"/v1/batches{path}", json={**asked, "defaults": defaults, "dry_run": dry_run})
    job = caller.send("POST", "/v1/jobs", json={**SMALL, **defaults})
    refused, as_job = answer.get_json()["error"], job.get_json()
    assert (answer.status_code, refused["code"]) == (job.status_code, as_job["code"]) == (403, "forbidden_model")
    assert (refused["param"], as_job["field"]) == (field, "model")
    assert "sdxl only" in answer.text


@pytest.mark.parametrize("name", ["glm-image", "GLM-Image", "zai-org/GLM-Image"])
def test_a_key_for_the_served_model_renders(http: FlaskClient, client: Client, name: str) -> None:
    caller = Keyed(http, client, ADMIN, models=("sdxl", name))
    assert caller.send("POST", "/v1/jobs", json=SMALL).status_code == 202


def test_a_weaker_key_cannot_make_itself_stronger_by_a_chain(http: FlaskClient, client: Client) -> None:
    """A key with admin for an hour makes keys for at most this hour, and they do too."""
    caller = Keyed(http, client, ADMIN, expires_at=SOON)
    for _ in range(3):
        made = caller.make(scopes=["admin"])
        assert datetime.fromisoformat(made["expires_at"]) <= SOON
        caller.text = made["key"]
    assert caller.refusal("POST", "/v1/keys", json={"expires_at": None}) == (*EXCEEDS, "expires_at")
    assert len(KeyStore(client).all_keys()) == 4
