"""Workers over HTTP, for operators: what they hold, the drain of one, and work that moves to another revision."""

import pytest
from flask.testing import FlaskClient

from shared.access.rights import Scope
from shared.hints.queues import Queue
from shared.ids import Revision, TenantId, WorkerId
from shared.jobs.states import Stage
from shared.store.core.connect import Client
from shared.store.renders.leases import Announcement, LeaseStore
from tests.api.access.keyed import GLOBEX, Keyed
from tests.shared.store.builders import REVISION, RULES

ADMIN, OPERATOR, READ, RENDER = Scope.ADMIN, Scope.OPERATOR, Scope.READ, Scope.RENDER
SMALL = {"prompt": "a", "size": "256x256"}
WORKER, NEW = WorkerId("ar-1"), Revision("r2")


@pytest.fixture
def leases(client: Client) -> LeaseStore:
    made = LeaseStore(client, RULES)
    made.beat(Announcement(WORKER, Queue.AR, 4, REVISION), [])
    return made


@pytest.fixture
def operator(http: FlaskClient, client: Client) -> Keyed:
    return Keyed(http, client, ADMIN, OPERATOR, tenant=TenantId("house"))


@pytest.fixture
def acme(http: FlaskClient, client: Client) -> Keyed:
    return Keyed(http, client, ADMIN)


def test_an_operator_sees_what_workers_hold_of_all_tenants(
    http: FlaskClient, client: Client, leases: LeaseStore, operator: Keyed, acme: Keyed
) -> None:
    globex = Keyed(http, client, ADMIN, tenant=GLOBEX)
    jobs = {who.key.tenant: who.post("/v1/jobs", 202, json=SMALL)["id"] for who in (acme, globex)}
    for _ in jobs:
        assert leases.claim(Stage.AR, REVISION, WORKER)

    def held(who: Keyed) -> dict[str, str]:
        [worker] = who.get("/v1/workers")["data"]
        return {each["tenant"]: each["job_id"] for each in worker["held"]}

    assert held(operator) == held(Keyed(http, client, OPERATOR, tenant=TenantId("ops"))) == jobs
    assert held(acme) == {"acme": jobs["acme"]}


def test_a_worker_is_drained_and_let_go(leases: LeaseStore, operator: Keyed, acme: Keyed) -> None:
    acme.post("/v1/jobs", 202, json=SMALL)
    assert leases.claim(Stage.AR, REVISION, WORKER)
    made = operator.post(f"/v1/workers/{WORKER}/drain", json={"reason": "too hot"})
    [worker] = operator.get("/v1/workers")["data"]
    assert (made["id"], made["drain"]) == (WORKER, worker["drain"])
    assert (worker["drain"]["reason"], worker["drain"]["key_id"]) == ("too hot", operator.key.key_id)
    assert (worker["state"], worker["is_draining"]) == ("draining", True)
    assert operator.send("POST", f"/v1/workers/{WORKER}/resume").status_code == 204
    [worker] = operator.get("/v1/workers")["data"]
    assert (worker["state"], worker["drain"]) == ("working", None)
    assert operator.refusal("POST", f"/v1/workers/{WORKER}/resume")[:2] == (404, "worker_not_found")


def test_a_worker_that_holds_nothing_more_is_drained_and_others_learn_no_reason(
    leases: LeaseStore, operator: Keyed, acme: Keyed
) -> None:
    operator.post(f"/v1/workers/{WORKER}/drain")
    assert operator.get("/v1/workers")["data"][0]["state"] == "drained"
    [worker] = acme.get("/v1/workers")["data"]
    assert (worker["state"], worker["drain"], worker["id"]) == ("drained", None, None)


@pytest.mark.parametrize(
    ("path", "body", "refusal"),
    [
        ("/v1/workers/nobody/drain", {}, (404, "worker_not_found", None)),
        (f"/v1/workers/{WORKER}/drain", {"reason": "a\nb"}, (400, "invalid_request", "reason")),
        (f"/v1/workers/{WORKER}/drain", {"then": "exit"}, (400, "invalid_request", "then")),
        ("/v1/requeue", {}, (400, "invalid_request", "to")),
        ("/v1/requeue", {"to": "a|b"}, (400, "invalid_request", "to")),
        ("/v1/requeue", {"to": "r1", "from": ""}, (400, "invalid_request", "from")),
        ("/v1/requeue", {"to": "r1", "tenant": "A"}, (400, "invalid_request", "tenant")),
        ("/v1/requeue", {"to": NEW}, (409, "revision_not_served", None)),
    ],
)
def test_a_wrong_request_changes_nothing(
    leases: LeaseStore, client: Client, operator: Keyed, path: str, body: dict[str, str], refusal: tuple[object, ...]
) -> None:
    assert operator.refusal("POST", path, json=body) == refusal
    assert not client.exists("gridpress:paused")


@pytest.mark.parametrize("scopes", [(READ, RENDER), (ADMIN,), (OPERATOR,)])
def test_these_acts_need_admin_and_operator(
    http: FlaskClient, client: Client, leases: LeaseStore, scopes: tuple[Scope, ...]
) -> None:
    who = Keyed(http, client, *scopes)
    for path in (f"/v1/workers/{WORKER}/drain", f"/v1/workers/{WORKER}/resume", "/v1/requeue"):
        assert who.refusal("POST", path, json={"to": REVISION})[:2] == (403, "missing_scope")
    assert not client.exists("gridpress:paused")


def test_waiting_work_moves_to_another_revision(leases: LeaseStore, operator: Keyed, acme: Keyed) -> None:
    jobs = [acme.post("/v1/jobs", 202, json={**SMALL, "n": 2})["id"] for _ in range(2)]
    leases.beat(Announcement(WorkerId("ar-2"), Queue.AR, 4, NEW), [])
    assert operator.post("/v1/requeue", json={"to": NEW, "from": "another"}) == {"to": NEW, "moved": 0}
    assert operator.post("/v1/requeue", json={"to": NEW}) == {"to": NEW, "moved": 4}
    assert leases.claim(Stage.AR, REVISION, WORKER) is None
    claim = leases.claim(Stage.AR, NEW, WorkerId("ar-2"))
    assert claim
    assert claim.job_id == jobs[0]
    assert acme.get(f"/v1/jobs/{jobs[0]}")["revision"] == NEW
    assert operator.get("/v1/audit")["data"][0]["facts"] == {"to": NEW, "source": None, "of_tenant": None, "moved": 4}
