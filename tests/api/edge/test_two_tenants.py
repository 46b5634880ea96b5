"""One tenant's ids with another one's key, over every operation of the document: nothing is told, nothing changes."""

import json
from io import BytesIO
from typing import Any

import pytest
from werkzeug.test import TestResponse

from api.app import create_app
from api.services import Services
from shared.access.keys import Scope
from shared.ids import TenantId
from shared.store.access.keys import KeyStore
from shared.store.core.connect import Client
from shared.store.renders.leases import LeaseStore
from tests.fuzz.traffic import requests_of, things_of
from tests.shared.store.builders import RULES, finish_next

pytestmark = pytest.mark.attack

OWNER, OTHER = TenantId("acme"), TenantId("globex")
SECRET_PROMPT = "a prompt that nobody else may read"

Json = dict[str, Any]


class Tenant:
    """A client that sends one key with everything."""

    def __init__(self, house: Services, key: str) -> None:
        self.key = key
        self.fields = {"Authorization": f"Bearer {key}"}
        self.http = create_app(house).test_client()

    def send(self, method: str, path: str, **what: Any) -> TestResponse:
        return self.http.open(path, method=method, headers={**self.fields, **what.pop("headers", {})}, **what)

    def post(self, path: str, **what: Any) -> Json:
        return dict(self.send("POST", path, **what).get_json())


@pytest.fixture
def owner(house: Services, client: Client) -> Tenant:
    return Tenant(house, KeyStore(client).create(OWNER, [Scope.ADMIN])[1])


@pytest.fixture(params=list(Scope))
def other(request: pytest.FixtureRequest, house: Services, client: Client) -> Tenant:
    return Tenant(house, KeyStore(client).create(OTHER, [request.param])[1])


@pytest.fixture
def admin(house: Services, client: Client) -> Tenant:
    return Tenant(house, KeyStore(client).create(OTHER, [Scope.ADMIN])[1])


@pytest.fixture
def ids(owner: Tenant, client: Client) -> dict[str, str]:
    """Of everything that the owner has; one of its pictures is finished."""
    prompt = {"prompt": SECRET_PROMPT, "metadata": {"secret": "of acme"}}
    done = owner.post("/v1/jobs", json=prompt)["id"]
    finish_next(LeaseStore(client, RULES))
    key_id = owner.post("/v1/keys", json={"name": "of acme"})["id"]
    return {**things_of(owner.post), "done": done, "tenant": OWNER, "key_id": key_id}


def state_of(client: Client, ids: dict[str, str]) -> dict[str, object]:
    """All that the store has about the owner."""
    read = {
        "hash": client.hgetall,
        "zset": lambda key: client.zrange(key, 0, -1, withscores=True),
        "list": lambda key: client.lrange(key, 0, -1),
        "set": client.smembers,
        "stream": client.xrange,
        "string": client.get,
    }
    own = [OWNER, *(each for each in ids.values() if len(each) > len("job_"))]
    keys = [key for key in client.scan_iter("*") if any(each in key for each in own)]
    return {key: read[client.type(key)](key) for key in keys if ":key:" not in key}


def test_no_operation_tells_or_changes_what_is_anothers(
    other: Tenant, client: Client, owner: Tenant, ids: dict[str, str]
) -> None:
    document = owner.send("GET", "/openapi.json").get_json()
    open_to_all = {"/docs/{name}", "/studio/{name}", "/v1/models/{model_id}"}
    wanted = {path for path in document["paths"] if "{" in path} - open_to_all
    before = state_of(client, ids)
    for job in (ids["job_id"], ids["done"]):
        told = {**document, "paths": {path: document["paths"][path] for path in wanted}}
        for asked in requests_of(told, {**ids, "job_id": job, "line_job": job}, other.key, "localhost"):
            method, path = asked.method.decode(), asked.target.decode()
            fields = {name.decode(): value.decode() for name, value in asked.fields if name == b"Content-Type"}
            for each in {method, "HEAD", "OPTIONS"}:
                answer = other.send(each, path, data=asked.body, headers=fields)
                assert answer.status_code in ((200, 404, 405, 403) if each == "OPTIONS" else (404, 403, 405, 400)), path
                assert SECRET_PROMPT not in answer.text
                assert "of acme" not in answer.text
                assert "hooks.example.com" not in answer.text
    assert state_of(client, ids) == before


def test_ids_in_bodies_and_queries_lead_to_nothing_of_others(
    admin: Tenant, client: Client, ids: dict[str, str]
) -> None:
    before = state_of(client, ids)
    batch = {"endpoint": "/v1/jobs", "completion_window": "24h"}
    own_file = admin.post("/v1/files", data={"purpose": "batch", "file": (BytesIO(b"{}\n"), "a.jsonl")})["id"]
    own_message = admin.post("/v1/webhook_endpoints", json={"url": "https://b.example/"})["id"]
    own_message = admin.post(f"/v1/webhook_endpoints/{own_message}/test")["id"]
    tried: list[tuple[str, Json]] = [
        ("/v1/batches", {**batch, "input_file_id": ids["file_id"]}),
        ("/v1/batches/validate", {**batch, "input_file_id": ids["file_id"]}),
        ("/v1/batches", {**batch, "input_file_id": own_file, "retry_of": ids["batch_id"]}),
        ("/v1/batches", {**batch, "input_file_id": ids["file_id"], "dry_run": True}),
        ("/v1/batches", {**batch, "input_file_id": own_file, "retry_of": ids["batch_id"], "dry_run": True}),
        ("/v1/jobs", {"prompt": "a", "images": [ids["file_id"]]}),
        ("/v1/jobs", {"prompt": "a", "images": [{"file_id": ids["picture_id"]}]}),
        ("/v1/images/edits", {"prompt": "a", "images": [{"file_id": ids["picture_id"]}]}),
        ("/v1/jobs", {"prior": {"job_id": ids["done"], "index": 0}}),
        (f"/v1/webhook_messages/{own_message}/resend", {"endpoint_id": ids["endpoint_id"]}),
    ]
    for path, body in tried:
        answer = admin.send("POST", path, json=body)
        assert answer.status_code in (400, 404), (path, body, answer.text)
        assert SECRET_PROMPT not in answer.text
    for path, name in (
        ("/v1/jobs", "done"),
        ("/v1/files", "file_id"),
        ("/v1/batches", "batch_id"),
        ("/v1/webhook_endpoints", "endpoint_id"),
        ("/v1/dead_letters", "letter_id"),
    ):
        for order in ({}, {"order": "asc"}):
            answer = admin.send("GET", path, query_string={"after": ids[name], **order})
            assert not set(ids.values()) & {each["id"] for each in answer.get_json().get("data", [])}, path
    assert state_of(client, ids) == before


def test_names_and_keys_of_idempotency_are_each_tenants_own(owner: Tenant, admin: Tenant) -> None:
    key = {"Idempotency-Key": "the-same"}
    made = [
        each.send("POST", "/v1/jobs", json={"prompt": "a"}, headers=key).get_json()["id"] for each in (owner, admin)
    ]
    named = [each.send("PUT", "/v1/jobs/poster", json={"prompt": "a"}).get_json()["id"] for each in (owner, admin)]
    assert len({*made, *named}) == 4
    assert json.loads(admin.send("GET", "/v1/jobs/poster").data)["id"] == named[1]


def test_a_picture_of_anothers_is_read_with_no_key_of_ours(admin: Tenant, ids: dict[str, str]) -> None:
    for path in ("images/0", "images/0/grid", "images/0/previews/1", "inputs/0", "events", "webhook_attempts"):
        assert admin.send("GET", f"/v1/jobs/{ids['done']}/{path}").status_code == 404
