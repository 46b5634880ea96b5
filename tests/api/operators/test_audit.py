"""The audit log: every act of an administrator or operator has an entry, which tells no secret."""

import json
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from flask.testing import FlaskClient

from api.app import create_app
from api.edge.authentication import is_act, scope_of
from api.services import Services
from shared.access.audit import Act, new_act_id, now
from shared.access.rights import Scope
from shared.errors import StoreUnavailable
from shared.ids import TenantId
from shared.store.audit.audit import AuditStore
from shared.store.core.connect import Client
from tests.api.access.keyed import ACME, GLOBEX, Keyed

ADMIN, OPERATOR, READ, RENDER = Scope.ADMIN, Scope.OPERATOR, Scope.READ, Scope.RENDER

Json = dict[str, Any]


@pytest.fixture
def admin(http: FlaskClient, client: Client) -> Keyed:
    return Keyed(http, client, ADMIN)


@pytest.fixture
def operator(http: FlaskClient, client: Client) -> Keyed:
    return Keyed(http, client, ADMIN, OPERATOR, tenant=TenantId("house"))


def acts(who: Keyed, query: str = "") -> list[Json]:
    return list(who.get(f"/v1/audit{query}")["data"])


def test_an_act_says_who_did_what_when_from_where_and_with_which_result(admin: Keyed) -> None:
    made = admin.post("/v1/keys", 201, json={}, address="203.0.113.7", headers={"x-request-id": "the-request"})
    [act] = acts(admin)
    assert (act["tenant"], act["key_id"], act["address"]) == ("acme", admin.key.key_id, "203.0.113.7")
    assert (act["act"], act["path"], act["request_id"]) == ("POST /v1/keys", "/v1/keys", "the-request")
    assert (act["status"], act["code"]) == (201, None)
    assert act["facts"] == {"key_id": made["id"], "of_tenant": "acme", "scopes": ["read", "render"]}


def test_a_refused_act_is_there_with_the_code_of_its_error(admin: Keyed) -> None:
    admin.refusal("POST", "/v1/keys", json={"scopes": ["operator"]})
    admin.refusal("POST", "/v1/keys/aaaaaaaa/revoke")
    assert [(act["act"], act["path"], act["status"], act["code"]) for act in acts(admin)] == [
        ("POST /v1/keys/{key_id}/revoke", "/v1/keys/aaaaaaaa/revoke", 404, "key_not_found"),
        ("POST /v1/keys", "/v1/keys", 403, "exceeds_own_key"),
    ]


def test_every_route_that_needs_admin_to_change_something_is_recorded(http: FlaskClient, operator: Keyed) -> None:
    """Whatever it is given: nothing of it exists here, so nothing happens, and that is recorded too."""
    routes = {
        (method, rule.rule)
        for rule in http.application.url_map.iter_rules()
        for method in (rule.methods or set()) - {"OPTIONS", "HEAD"}
        if scope_of(rule.rule, method) is ADMIN and (method != "GET" or rule.rule.endswith("/secret"))
    }
    assert len(routes) > 15
    assert all(is_act(rule, method) for method, rule in routes)
    before = 0
    for method, rule in sorted(routes):
        operator.send(method, rule.replace("<", "").replace(">", ""), json={})
        with_this = len(acts(operator, "?limit=100"))
        assert with_this == before + 1, (method, rule)
        before = with_this


def test_what_reads_or_renders_is_no_act(admin: Keyed) -> None:
    job = admin.post("/v1/jobs", 202, json={"prompt": "a"})["id"]
    admin.post(f"/v1/jobs/{job}/cancel")
    for path in ("/v1/keys", "/v1/jobs", "/v1/audit", "/v1/dead_letters", "/v1/tenants/acme/retention"):
        admin.get(path)
    assert acts(admin) == []


def test_a_request_without_the_scope_is_no_act(http: FlaskClient, client: Client, admin: Keyed) -> None:
    assert Keyed(http, client, READ, RENDER).refusal("POST", "/v1/keys", json={})[:2] == (403, "missing_scope")
    assert acts(admin) == []


def test_no_entry_has_a_secret(admin: Keyed, client: Client) -> None:
    key = admin.make(name="the shop")["key"]
    secret = "whsec_" + "dGhlIHRlbmFudCdz" * 3
    endpoint = admin.post(
        "/v1/webhook_endpoints", 201, json={"url": "https://a.example/?token=s3cr3t", "secret": secret}
    )
    shown = admin.get(f"/v1/webhook_endpoints/{endpoint['id']}/secret")["secret"]
    admin.send("POST", f"/v1/keys/{key}/revoke", headers={"x-request-id": key})
    admin.send("POST", f"/v1/keys/{admin.text}/rotate?key={admin.text}", json={})
    stored = "".join(client.hvals("gridpress:acts"))
    told = admin.send("GET", "/v1/audit").text
    for each in (key[12:], admin.text[12:], secret[6:], shown[6:], "s3cr3t", "the shop"):
        assert each not in stored + told
    assert "/secret" in stored


def test_a_repeated_request_is_one_act(admin: Keyed) -> None:
    for _ in range(2):
        headers = {"Idempotency-Key": "once"}
        admin.send("POST", "/v1/webhook_endpoints", json={"url": "https://a.example/"}, headers=headers)
    assert len(acts(admin)) == 1


def test_a_tenant_sees_the_acts_of_its_own_keys_and_an_operator_all(
    http: FlaskClient, client: Client, admin: Keyed, operator: Keyed
) -> None:
    other = Keyed(http, client, ADMIN, tenant=GLOBEX)
    own, others = admin.make()["id"], other.make()["id"]
    by_operator = operator.make(tenant="acme")["id"]

    def made(who: Keyed, query: str = "") -> list[str]:
        return [act["facts"]["key_id"] for act in acts(who, query)]

    assert (made(admin), made(admin, "?tenant=acme"), made(other)) == ([own], [own], [others])
    assert made(operator) == [by_operator, others, own]
    assert (made(operator, "?tenant=globex"), made(operator, "?tenant=none")) == ([others], [])
    assert admin.refusal("GET", "/v1/audit?tenant=globex")[:2] == (403, "missing_scope")


def test_who_may_read_it(http: FlaskClient, client: Client, admin: Keyed) -> None:
    admin.make()
    assert len(acts(Keyed(http, client, OPERATOR, tenant=GLOBEX))) == 1
    for scope in (READ, RENDER):
        assert Keyed(http, client, scope).refusal("GET", "/v1/audit")[:2] == (403, "missing_scope")


def test_pages_go_on_where_the_last_one_ended(admin: Keyed) -> None:
    for _ in range(5):
        admin.make()
    whole, pages, after = acts(admin), [], ""
    while True:
        page = admin.get(f"/v1/audit?limit=2{after}")
        pages += page["data"]
        if not page["has_more"]:
            break
        after = f"&after={page['next']}"
    assert pages == whole
    assert [act["at"] for act in whole] == sorted((act["at"] for act in whole), reverse=True)


def test_it_is_read_as_lines_of_json(admin: Keyed) -> None:
    for _ in range(3):
        admin.make()
    answer = admin.send("GET", "/v1/audit?format=jsonl")
    assert answer.mimetype == "application/jsonl"
    assert [json.loads(line) for line in answer.text.splitlines()] == acts(admin)


@pytest.mark.parametrize(
    ("query", "field"), [("after=x", "after"), ("limit=0", "limit"), ("format=csv", "format"), ("tenant=A!", "tenant")]
)
def test_a_wrong_query_names_the_field(admin: Keyed, query: str, field: str) -> None:
    assert admin.refusal("GET", f"/v1/audit?{query}") == (400, "invalid_request", field)


def test_without_an_entry_there_is_no_act(house: Services, client: Client) -> None:
    class Full(AuditStore):
        def record(self, act: Act) -> None:
            raise StoreUnavailable("full")

    full = replace(house, audit=Full(client, 1, 1))
    admin = Keyed(create_app(full).test_client(), client, ADMIN)
    assert admin.refusal("POST", "/v1/keys", json={})[:2] == (503, "store_unavailable")
    assert [key.key_id for key in house.keys.store.keys(ACME, limit=9)] == [admin.key.key_id]


def test_an_act_that_did_not_end_has_no_result(house: Services, admin: Keyed) -> None:
    house.audit.record(Act(new_act_id(), now(), ACME, "POST /v1/keys"))
    [act] = acts(admin)
    assert (act["status"], act["code"]) == (None, None)


def test_an_act_that_fails_by_a_fault_of_ours_has_its_result(
    house: Services, admin: Keyed, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object, **__: object) -> None:
        raise RuntimeError("a fault")

    monkeypatch.setattr(type(house.keys.store), "add", broken)
    admin.http.application.config["PROPAGATE_EXCEPTIONS"] = False
    assert admin.send("POST", "/v1/keys", json={}).status_code == 500
    assert [act["status"] for act in acts(admin)] == [500]


def an_act(tenant: TenantId, *, age: timedelta = timedelta()) -> Act:
    """Returns an act that is as old as it says, by its id too."""
    from shared.access.audit import first_act_id  # noqa: PLC0415

    return Act(first_act_id(now() - age), now() - age, tenant, "POST /v1/keys")


def test_no_tenant_displaces_the_entries_of_another(client: Client) -> None:
    audit = AuditStore(client, kept_s=3600, most_of_tenant=3)
    audit.record(first := Act(new_act_id(), now(), GLOBEX, "first"))
    mine = [Act(new_act_id(), now(), ACME, str(number)) for number in range(9)]
    for act in mine:
        audit.record(act)
    newest = sorted((act.act_id for act in mine), reverse=True)[:3]
    assert [act.act_id for act in audit.acts(ACME, limit=100)] == newest
    assert [act.act_id for act in audit.acts(None, limit=100)] == [*newest, first.act_id]
    assert client.hlen("gridpress:acts") == 4


def test_old_entries_are_not_shown_and_the_next_act_deletes_them(client: Client) -> None:
    audit = AuditStore(client, kept_s=3600, most_of_tenant=9)
    lenient = AuditStore(client, kept_s=10**9, most_of_tenant=9)
    for tenant in (ACME, GLOBEX):
        lenient.record(replace(an_act(tenant, age=timedelta(hours=2)), act=tenant, act_id=new_act_id_of(tenant)))
    assert audit.acts(None, limit=9) == []
    audit.record(new := Act(new_act_id(), now(), ACME, "new"))
    assert audit.acts(None, limit=9) == [new]
    assert client.hkeys("gridpress:acts") == [new.act_id]
    assert not client.exists("gridpress:audit:globex")


def new_act_id_of(tenant: TenantId) -> Any:
    """An id of two hours ago, of its own for each tenant."""
    return an_act(tenant, age=timedelta(hours=2)).act_id[:-1] + tenant[0]


def test_an_entry_that_cannot_be_read_is_left_out(client: Client, admin: Keyed) -> None:
    admin.make()
    admin.make()
    broken = acts(admin)[0]["id"]
    client.hset("gridpress:acts", broken, "{")
    assert [act["id"] == broken for act in acts(admin)] == [False]
