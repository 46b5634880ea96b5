"""What is of the platform, or of all tenants together, is for the scope `operator`, which is no part of `admin`."""

from typing import Any

import pytest
from flask.testing import FlaskClient

from shared.access.keys import Scope
from shared.hints.queues import Queue
from shared.ids import TenantId, WorkerId
from shared.jobs.states import Stage
from shared.store.access.keys import KeyStore
from shared.store.core.connect import Client
from shared.store.jobs.jobs import JobStore
from shared.store.queues.upkeep import UpkeepStore
from shared.store.renders.leases import Announcement, LeaseRules, LeaseStore
from tests.shared.store.builders import REVISION, RULES, submitted

pytestmark = pytest.mark.attack

ACME, GLOBEX = TenantId("acme"), TenantId("globex")
HOST = WorkerId("ar-secret-host-4711")
# What a tenant may know of the service: its capacity, and how long one waits for it.
OF_THE_SERVICE = {"wanted_workers", "backlog_s", "is_stalled"}
TENANTS = [[Scope.READ], [Scope.ADMIN], [Scope.READ, Scope.RENDER, Scope.ADMIN]]
OPERATORS = [[Scope.OPERATOR], [Scope.READ, Scope.OPERATOR], [Scope.ADMIN, Scope.OPERATOR]]

Json = dict[str, Any]


def fields(client: Client, tenant: TenantId, scopes: list[Scope]) -> dict[str, str]:
    return {"Authorization": f"Bearer {KeyStore(client).create(tenant, scopes)[1]}"}


def seen(http: FlaskClient, headers: dict[str, str]) -> Json:
    """What the routes about the service tell, without what every tenant may know."""
    found = {path: http.get(path, headers=headers).get_json() for path in ("/v1/stats", "/v1/workers", "/readyz")}
    for stage in found["/v1/stats"]["stages"].values():
        for name in OF_THE_SERVICE:
            del stage[name]
    return found


def work(client: Client, store: JobStore) -> None:
    """Acme's: one picture is held by a worker, two wait."""
    leases = LeaseStore(client, RULES)
    for _ in range(3):
        submitted(store, tenant=ACME)
    claim = leases.claim(Stage.AR, REVISION, HOST)
    assert claim


@pytest.mark.parametrize("scopes", TENANTS)
def test_the_work_of_others_changes_nothing_that_a_tenant_sees(
    http: FlaskClient, client: Client, store: JobStore, scopes: list[Scope]
) -> None:
    LeaseStore(client, RULES).beat(Announcement(HOST, Queue.AR, 8, REVISION), [])
    headers = fields(client, GLOBEX, scopes)
    before = seen(http, headers)
    work(client, store)
    client.hincrby("gridpress:fault_counts", "request.crashed", 1)
    assert seen(http, headers) == before
    assert HOST not in str(before)


@pytest.mark.parametrize("scopes", OPERATORS)
def test_an_operator_sees_the_totals_and_the_workers(
    http: FlaskClient, client: Client, store: JobStore, scopes: list[Scope]
) -> None:
    LeaseStore(client, RULES).beat(Announcement(HOST, Queue.AR, 8, REVISION), [])
    work(client, store)
    found = seen(http, fields(client, GLOBEX, scopes))
    stage = found["/v1/stats"]["stages"]["ar"]
    assert (stage["waiting"], stage["running"], stage["unserved"]) == (2, 1, {})
    assert None not in [stage[name] for name in ("waiting_cost", "coming_cost", "open")]
    assert (stage["too_large"], stage["largest"]) == ({}, "2048x2048")
    assert found["/v1/stats"]["faults"] == {}
    assert found["/v1/stats"]["workers"]["ar"]["workers"] == 1
    [worker] = found["/v1/workers"]["data"]
    assert (worker["id"], worker["num_held"], len(worker["held"])) == (HOST, 1, 1)
    assert found["/readyz"]["stages"]["ar"]["unserved"] == {}


def test_an_operators_key_alone_reads_nothing_of_its_tenant(http: FlaskClient, client: Client) -> None:
    headers = fields(client, ACME, [Scope.OPERATOR])
    for path in ("/v1/jobs", "/v1/limits", "/v1/events", "/v1/dead_letters", "/v1/batches", "/v1/webhooks/secret"):
        assert http.get(path, headers=headers).status_code == 403, path


@pytest.mark.parametrize(("scopes", "is_told"), [([Scope.ADMIN], False), ([Scope.ADMIN, Scope.OPERATOR], True)])
def test_a_dead_letter_names_its_workers_to_operators(
    http: FlaskClient, client: Client, store: JobStore, scopes: list[Scope], is_told: bool
) -> None:
    submitted(store, tenant=ACME)
    for _ in range(2):
        assert LeaseStore(client, LeaseRules(ttl_s=0, prior_ready_limit_min=16)).claim(Stage.AR, REVISION, HOST)
        UpkeepStore(client).rescue(poison_strikes=1)
    headers = fields(client, ACME, scopes)
    [letter] = http.get("/v1/dead_letters", headers=headers).get_json()["data"]
    one = http.get(f"/v1/dead_letters/{letter['id']}", headers=headers)
    job = http.get(f"/v1/jobs/{letter['job_id']}", headers=headers)
    assert [crash["worker"] for crash in letter["crashes"]] == [HOST if is_told else None] * 2
    assert (HOST in one.text) == is_told
    assert HOST not in job.text


def test_a_service_without_keys_shows_everything_as_before(http: FlaskClient, client: Client, store: JobStore) -> None:
    LeaseStore(client, RULES).beat(Announcement(HOST, Queue.AR, 8, REVISION), [])
    work(client, store)
    found = seen(http, {})
    assert found["/v1/stats"]["stages"]["ar"]["waiting"] == 2
    assert (found["/v1/workers"]["data"][0]["id"], found["/v1/stats"]["faults"]) == (HOST, {})
