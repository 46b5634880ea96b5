"""The list of live workers."""

import pytest
from flask.testing import FlaskClient

from shared.access.keys import Scope
from shared.hints.queues import Queue
from shared.ids import Revision, TenantId, WorkerId
from shared.jobs.leases import Progress, RenderReport
from shared.jobs.states import Stage
from shared.schedule.worker_health import Machine, WorkerHealth
from shared.store.access.keys import KeyStore
from shared.store.core.connect import Client
from shared.store.jobs.jobs import JobStore
from shared.store.renders.leases import Announcement, LeaseStore
from tests.shared.store.builders import REVISION, RULES, WORKER_ID, submitted

AR = Announcement(WORKER_ID, Queue.AR, 8, REVISION)


def test_no_worker_is_an_empty_list(http: FlaskClient) -> None:
    assert http.get("/v1/workers").get_json() == {"data": [], "total": 0}


def test_a_worker_is_listed_with_its_device_and_the_pictures_that_it_holds(
    http: FlaskClient, store: JobStore, client: Client
) -> None:
    job, leases = submitted(store), LeaseStore(client, RULES)
    claim = leases.claim(Stage.AR, REVISION, WORKER_ID)
    assert claim
    machine = Machine("NVIDIA H100", 0.031_25)
    leases.beat(AR, [RenderReport(claim.lease, Progress(40, 65), True)], signs=WorkerHealth(machine=machine))
    dit = Announcement(WorkerId("d"), Queue.DIT, 1, Revision("r2"))
    leases.beat(dit, [], signs=WorkerHealth(is_draining=True))
    answer = http.get("/v1/workers").get_json()
    assert answer["total"] == 2
    first, second = answer["data"]
    [held] = first.pop("held")
    assert first == {
        "id": "w",
        "stage": "ar",
        "device": "NVIDIA H100",
        "revision": "r1",
        "slots": 8,
        "sizes": [{"picture": f"{side}x{side}", "conditions": "8192x8192"} for side in (1024, 1536, 2048)],
        "state": "working",
        "is_draining": False,
        "drain": None,
        "step_s": 0.031,
        "num_held": 1,
    }
    assert (held["job_id"], held["index"], held["progress"]) == (job.job_id, 0, {"done": 40, "total": 65})
    assert held["since"].endswith("Z")
    assert (second["stage"], second["device"], second["step_s"], second["is_draining"]) == ("dit", None, None, True)


def test_a_heartbeat_of_an_earlier_release_is_read(http: FlaskClient, client: Client) -> None:
    LeaseStore(client, RULES).beat(AR, [])
    client.hset("gridpress:signs:ar", WORKER_ID, "[0, 0, 0, 0, 1]")
    [worker] = http.get("/v1/workers").get_json()["data"]
    assert (worker["device"], worker["is_draining"]) == (None, True)


@pytest.mark.parametrize(
    ("announced", "shown"),
    [
        (None, [("1024x1024", "1024x1024")]),  # of an earlier release, which renders only ordinary sizes
        ("", [("1024x1024", "1024x1024")]),
        ("1536,1024+2048", [("1024x1024", "2048x2048"), ("1536x1536", None)]),
        ("1536,1536+1024,2048", [("1024x1024", "1024x1024"), ("1536x1536", "1024x1024"), ("2048x2048", None)]),
        ("1536,4096,4096+9000", [("1024x1024", "1024x1024"), ("1536x1536", None)]),  # of a later release
    ],
)
def test_a_worker_shows_every_tenant_which_sizes_it_can_render(
    http: FlaskClient, client: Client, announced: str | None, shown: list[tuple[str, str | None]]
) -> None:
    LeaseStore(client, RULES).beat(AR, [])
    client.hset("gridpress:sizes:ar", WORKER_ID, announced or "")
    if announced is None:
        client.delete("gridpress:sizes:ar")
    for name in ("acme", "globex"):
        key = KeyStore(client).create(TenantId(name), [Scope.READ])[1]
        [worker] = http.get("/v1/workers", headers={"Authorization": f"Bearer {key}"}).get_json()["data"]
        assert [(size["picture"], size["conditions"]) for size in worker["sizes"]] == shown


def test_a_tenant_sees_no_pictures_and_no_names_of_others(http: FlaskClient, store: JobStore, client: Client) -> None:
    job, leases = submitted(store, tenant="acme"), LeaseStore(client, RULES)
    claim = leases.claim(Stage.AR, REVISION, WORKER_ID)
    assert claim
    leases.beat(AR, [RenderReport(claim.lease, Progress(1, 65), True)])
    keys = {name: KeyStore(client).create(TenantId(name), [Scope.READ])[1] for name in ("acme", "globex")}
    told = {
        name: http.get("/v1/workers", headers={"Authorization": f"Bearer {key}"}).get_json()["data"][0]
        for name, key in keys.items()
    }
    assert [each["job_id"] for each in told["acme"]["held"]] == [job.job_id]
    assert (told["globex"]["held"], told["globex"]["num_held"], told["globex"]["id"]) == ([], None, None)
