"""The model is upgraded while jobs wait: what has no token grid yet runs on the workers that are there."""

import pytest

from shared.hints.queues import Queue
from shared.ids import DEFAULT_TENANT, Revision, TenantId, WorkerId, new_job_id
from shared.jobs.job import JobStatus, PriorSource
from shared.jobs.states import RenderState, Stage
from shared.store.core.connect import Client
from shared.store.jobs.jobs import JobStore
from shared.store.queues.throughput import ThroughputStore
from shared.store.queues.upkeep import UpkeepStore
from shared.store.renders.leases import Announcement, LeaseStore
from tests.shared.store.builders import REVISION, RULES, a_picture, a_prior, a_spec, submitted

pytestmark = pytest.mark.attack

NEW = Revision("r2")
OLD_WORKER = Announcement(WorkerId("old"), Queue.AR, 2, REVISION)
NEW_WORKER = Announcement(WorkerId("new"), Queue.AR, 2, NEW)


@pytest.fixture
def leases(client: Client) -> LeaseStore:
    return LeaseStore(client, RULES)


@pytest.fixture
def upkeep(client: Client) -> UpkeepStore:
    return UpkeepStore(client)


def upgrade(leases: LeaseStore) -> None:
    """The old worker leaves, the new one comes."""
    leases.leave(OLD_WORKER)
    leases.beat(NEW_WORKER, [])


def run_all(leases: LeaseStore) -> int:
    """On workers of the new revision only."""
    num = 0
    while claim := leases.claim(Stage.AR, NEW, NEW_WORKER.worker_id):
        leases.finish_prior(claim.lease, a_prior())
        decode = leases.claim(Stage.DIT, NEW, WorkerId("dit"))
        assert decode
        leases.finish_picture(decode.lease, a_picture())
        num += 1
    return num


def test_jobs_queued_under_the_old_revision_run_on_workers_of_the_new_one(
    leases: LeaseStore, upkeep: UpkeepStore, store: JobStore, client: Client
) -> None:
    leases.beat(OLD_WORKER, [])
    jobs = [submitted(store, n=2, tenant=TenantId(f"t{number}")) for number in range(5)]
    upgrade(leases)
    assert upkeep.reroute() == 10
    assert run_all(leases) == 10
    for job in jobs:
        ended = store.job(job.job_id, job.spec.tenant)
        assert (ended.status, ended.revision) == (JobStatus.SUCCEEDED, NEW)
    assert [key for key in client.keys("gridpress:shares:*|r1") if client.zcard(key)] == []
    assert client.keys("gridpress:cost:*") == client.keys("gridpress:lanes:*") == []


def test_what_the_old_worker_handed_back_runs_too(leases: LeaseStore, upkeep: UpkeepStore, store: JobStore) -> None:
    leases.beat(OLD_WORKER, [])
    submitted(store, n=2)
    claim = leases.claim(Stage.AR, REVISION, OLD_WORKER.worker_id)
    assert claim
    leases.hand_back(claim.lease)
    upgrade(leases)
    upkeep.reroute()
    assert run_all(leases) == 2


def test_what_was_never_given_a_worker_is_not_pinned(leases: LeaseStore, store: JobStore) -> None:
    leases.beat(OLD_WORKER, [])
    assert submitted(store).revision == ""


def test_a_job_with_a_token_grid_keeps_the_revision_that_made_it(
    leases: LeaseStore, upkeep: UpkeepStore, store: JobStore
) -> None:
    leases.beat(OLD_WORKER, [])
    job = submitted(store, n=2)
    claim = leases.claim(Stage.AR, REVISION, OLD_WORKER.worker_id)
    assert claim
    leases.finish_prior(claim.lease, a_prior())
    upgrade(leases)
    assert upkeep.reroute() == 0
    assert leases.claim(Stage.AR, NEW, NEW_WORKER.worker_id) is None
    assert store.job(job.job_id, DEFAULT_TENANT).revision == REVISION


def test_a_job_that_an_old_worker_still_runs_keeps_its_revision(
    leases: LeaseStore, upkeep: UpkeepStore, store: JobStore
) -> None:
    leases.beat(OLD_WORKER, [])
    submitted(store, n=2)
    assert leases.claim(Stage.AR, REVISION, OLD_WORKER.worker_id)
    upgrade(leases)
    assert upkeep.reroute() == 0


def test_while_both_are_there_each_keeps_what_waits_for_it(
    leases: LeaseStore, upkeep: UpkeepStore, store: JobStore
) -> None:
    leases.beat(OLD_WORKER, [])
    submitted(store)
    leases.beat(NEW_WORKER, [])
    assert upkeep.reroute() == 0
    assert leases.claim(Stage.AR, REVISION, OLD_WORKER.worker_id)


def test_without_any_worker_nothing_is_moved(leases: LeaseStore, upkeep: UpkeepStore, store: JobStore) -> None:
    leases.beat(OLD_WORKER, [])
    submitted(store)
    leases.leave(OLD_WORKER)
    assert upkeep.reroute() == 0


def test_a_retried_job_without_a_grid_runs_on_the_new_revision(
    leases: LeaseStore, upkeep: UpkeepStore, store: JobStore
) -> None:
    leases.beat(OLD_WORKER, [])
    job = submitted(store)
    claim = leases.claim(Stage.AR, REVISION, OLD_WORKER.worker_id)
    assert claim
    leases.fail(claim.lease, {"code": "broken"})
    upgrade(leases)
    store.retry(store.job(job.job_id, DEFAULT_TENANT), None)
    assert upkeep.reroute() == 1
    assert run_all(leases) == 1


def test_a_re_render_keeps_the_revision_of_its_grid(leases: LeaseStore, upkeep: UpkeepStore, store: JobStore) -> None:
    leases.beat(NEW_WORKER, [])
    job = store.submit(new_job_id(), a_spec(), source=PriorSource(a_prior(), REVISION))
    assert job.revision == REVISION
    assert upkeep.reroute() == 0
    assert leases.claim(Stage.DIT, NEW, WorkerId("dit")) is None
    assert leases.claim(Stage.DIT, REVISION, WorkerId("dit"))


def test_many_are_moved_a_part_at_a_time_in_their_order(
    leases: LeaseStore, upkeep: UpkeepStore, store: JobStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("shared.store.queues.upkeep._MOST_AT_ONCE", 3)
    leases.beat(OLD_WORKER, [])
    jobs = [submitted(store) for _ in range(10)]
    upgrade(leases)
    moved = []
    while num := upkeep.reroute():
        moved.append(num)
    assert moved == [3, 3, 3, 1]
    claims = [leases.claim(Stage.AR, NEW, NEW_WORKER.worker_id) for _ in jobs]
    assert [claim and claim.job_id for claim in claims] == [job.job_id for job in jobs]


def test_a_place_in_the_queue_is_told_before_and_after(
    leases: LeaseStore, upkeep: UpkeepStore, store: JobStore, client: Client
) -> None:
    leases.beat(OLD_WORKER, [])
    first, second = submitted(store), submitted(store)
    places = ThroughputStore(client)
    assert [place and place.position for place in map(places.place, (first, second))] == [0, 1]
    upgrade(leases)
    upkeep.reroute()
    assert [place and place.position for place in map(places.place, (first, second))] == [0, 1]
    assert store.job(first.job_id, DEFAULT_TENANT).renders[0].state is RenderState.QUEUED
