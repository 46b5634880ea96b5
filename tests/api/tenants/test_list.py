"""An operator lists all tenants; nobody else learns which there are."""

from typing import Any

import pytest
from flask.testing import FlaskClient

from shared.access.limits import TenantLimits
from shared.access.rights import Scope
from shared.ids import TenantId
from shared.jobs.pauses import PauseKind
from shared.jobs.states import Stage
from shared.store.access.keys import KeyStore
from shared.store.core.connect import Client
from shared.store.jobs.jobs import JobStore
from shared.store.pauses.pauses import PauseStore
from shared.store.renders.leases import LeaseStore
from shared.store.tenants.erasure import ErasureStore, TenantRecords
from tests.api.access.keyed import ACME, GLOBEX, Keyed
from tests.shared.store.builders import REVISION, RULES, WORKER_ID, submitted

PATH = "/v1/tenants"
HOUSE = TenantId("house")
NOTHING = {
    "object": "tenant",
    "num_keys": 0,
    "num_open_jobs": 0,
    "queued_renders": 0,
    "running_renders": 0,
    "stored_bytes": 0,
    "has_limits": False,
    "has_bucket": False,
    "is_paused": False,
    "is_erasing": False,
}


@pytest.fixture
def operator(http: FlaskClient, client: Client) -> Keyed:
    return Keyed(http, client, Scope.OPERATOR, tenant=HOUSE)


def listed(operator: Keyed, limit: int = 100) -> dict[str, dict[str, Any]]:
    """Returns all tenants by name, in the order of the list. Reads it page by page."""
    found: dict[str, dict[str, Any]] = {}
    page: dict[str, Any] = {"next": None, "has_more": True}
    while page["has_more"]:
        page = operator.get(f"{PATH}?limit={limit}" + (f"&after={page['next']}" if page["next"] else ""))
        assert len(page["data"]) <= limit
        assert found.keys().isdisjoint(each["id"] for each in page["data"])
        found |= {each.pop("id"): each for each in page["data"]}
        assert page["has_more"] == (page["next"] is not None)
    return found


def test_each_tenant_has_the_facts_of_its_own(operator: Keyed, client: Client, store: JobStore) -> None:
    keys = KeyStore(client)
    for _ in range(2):
        keys.revoke(keys.create(ACME, [Scope.READ])[0].key_id)
    submitted(store, n=3, tenant=ACME)
    store.cancel(submitted(store, tenant=ACME).job_id, ACME)
    assert LeaseStore(client, RULES).claim(Stage.AR, REVISION, WORKER_ID)
    keys.change_limits(GLOBEX, {"streams": 5})
    PauseStore(client).pause(PauseKind.TENANT, GLOBEX, "unpaid")
    keys.set_limits(TenantId("a.b-c"), TenantLimits(weight=2))
    keys.create(TenantId("initech"), [Scope.READ])
    ErasureStore(client).begin(TenantId("initech"))
    client.set("gridpress:stored:initech", 7)
    client.hset("gridpress:buckets", "initech", "{}")
    assert listed(operator) == {
        "a.b-c": {**NOTHING, "has_limits": True},
        "acme": {**NOTHING, "num_keys": 2, "num_open_jobs": 1, "queued_renders": 2, "running_renders": 1},
        "default": NOTHING,
        "globex": {**NOTHING, "has_limits": True, "is_paused": True},
        "house": {**NOTHING, "num_keys": 1},
        "initech": {**NOTHING, "num_keys": 1, "stored_bytes": 7, "has_bucket": True, "is_erasing": True},
    }
    keys.change_limits(GLOBEX, {"streams": None})
    assert listed(operator)["globex"] == {**NOTHING, "is_paused": True}


@pytest.mark.parametrize("limit", [1, 2, 3, 100])
def test_pages_are_in_alphabetical_order_and_complete(operator: Keyed, client: Client, limit: int) -> None:
    names = ["0", "a", "a-", "a.b", "a_", "aa", "z", "z" * 63]
    for name in reversed(names):
        KeyStore(client).create(TenantId(name), [Scope.READ])
    assert list(listed(operator, limit)) == sorted([*names, "default", HOUSE])


@pytest.mark.parametrize(
    ("query", "field"),
    [("limit=0", "limit"), ("limit=101", "limit"), ("limit=x", "limit"), ("after=A", "after"), ("after=", "after"),
     ("before=a", "before")],
)  # fmt: skip
def test_a_wrong_query_names_the_field(operator: Keyed, query: str, field: str) -> None:
    assert operator.refusal("GET", f"{PATH}?{query}") == (400, "invalid_request", field)


@pytest.mark.attack
@pytest.mark.parametrize("scopes", [[scope] for scope in Scope] + [[Scope.READ, Scope.RENDER, Scope.ADMIN]])
@pytest.mark.parametrize("tenant", [ACME, TenantId("default")])
def test_nobody_but_an_operator_learns_of_other_tenants(
    http: FlaskClient, client: Client, scopes: list[Scope], tenant: TenantId
) -> None:
    KeyStore(client).create(GLOBEX, [Scope.ADMIN])
    answer = Keyed(http, client, *scopes, tenant=tenant).send("GET", PATH)
    if Scope.OPERATOR in scopes:
        assert (answer.status_code, "globex" in answer.text) == (200, True)
    else:
        assert (answer.status_code, answer.get_json()["code"], "globex" in answer.text) == (403, "missing_scope", False)
        assert 'scope="operator"' in answer.headers["WWW-Authenticate"]


def test_without_api_keys_there_is_the_default_tenant(http: FlaskClient, store: JobStore) -> None:
    submitted(store)
    expected = {"id": "default", **NOTHING, "num_open_jobs": 1, "queued_renders": 1}
    assert http.get(PATH).get_json() == {"data": [expected], "has_more": False, "next": None}


def test_tenants_of_an_earlier_release_are_listed(operator: Keyed, client: Client) -> None:
    """It lists keys of tenants, but no tenants; and it goes on creating keys while processes are updated."""
    KeyStore(client).create(ACME, [Scope.READ])
    client.delete("gridpress:tenants", "gridpress:tenants_listed")
    assert list(listed(operator)) == ["acme", "default", "house"]
    KeyStore(client).create(GLOBEX, [Scope.READ])
    client.zrem("gridpress:tenants", GLOBEX)
    client.decr("gridpress:tenants_listed")
    assert list(listed(operator)) == ["acme", "default", "globex", "house"]


def test_a_tenant_that_is_erased_with_its_settings_leaves_the_list(operator: Keyed, client: Client) -> None:
    KeyStore(client).create(ACME, [Scope.READ])
    KeyStore(client).change_limits(ACME, {"streams": 5})
    KeyStore(client).create(GLOBEX, [Scope.READ])
    assert TenantRecords(client, ACME).delete_settings()
    KeyStore(client).create(GLOBEX, [Scope.READ])
    client.delete("gridpress:tenants_listed")  # all lists are made anew
    assert list(listed(operator)) == ["default", "globex", "house"]
