"""The drain of one worker by an operator, in the store: a mark that claims and heartbeats read."""

import pytest

from shared.errors import WorkerNotFound
from shared.hints.queues import Queue
from shared.ids import Revision, WorkerId
from shared.jobs.states import Stage
from shared.store.core.connect import Client
from shared.store.jobs.jobs import JobStore
from shared.store.pauses.pauses import PauseStore
from shared.store.queues.throughput import ThroughputStore
from shared.store.queues.workers import WorkerStore
from shared.store.renders.leases import Announcement, LeaseStore
from tests.shared.store.builders import REVISION, RULES, submitted

ONE, TWO = WorkerId("ar-1"), WorkerId("ar-2")


def beat(leases: LeaseStore, worker: WorkerId, slots: int = 4, revision: Revision = REVISION) -> bool:
    """Returns whether the worker learns that it is drained."""
    leases.beat(Announcement(worker, Queue.AR, slots, revision), [])
    return leases.is_drained(worker)


@pytest.fixture
def leases(client: Client) -> LeaseStore:
    made = LeaseStore(client, RULES)
    for worker in (ONE, TWO):
        assert not beat(made, worker)
    return made


def test_a_drained_worker_claims_nothing_and_another_does(client: Client, leases: LeaseStore) -> None:
    submitted(JobStore(client), n=2)
    drain = PauseStore(client).drain(ONE, "too hot", "x7k2m4qa")
    assert (drain.reason, drain.key_id) == ("too hot", "x7k2m4qa")
    assert leases.claim(Stage.AR, REVISION, ONE) is None
    assert leases.claim(Stage.AR, REVISION, TWO)
    assert PauseStore(client).end_drain(ONE)
    assert leases.claim(Stage.AR, REVISION, ONE)


def test_every_heartbeat_tells_it_also_with_renders_and_of_a_new_connection(client: Client, leases: LeaseStore) -> None:
    """So a lost answer or a restart of the store's client does no harm."""
    PauseStore(client).drain(ONE, "")
    assert [beat(leases, ONE) for _ in range(2)] == [True, True]
    assert beat(LeaseStore(client, RULES), ONE)
    assert not beat(leases, TWO)
    PauseStore(client).end_drain(ONE)
    assert not beat(leases, ONE)


def test_only_a_live_worker_of_a_stage_is_drained(client: Client, leases: LeaseStore) -> None:
    pauses = PauseStore(client)
    leases.beat(Announcement(WorkerId("delivery-1"), Queue.DELIVERY, 4, Revision("")), [])
    leases.leave(Announcement(TWO, Queue.AR, 4, REVISION))
    for worker in (TWO, WorkerId("delivery-1"), WorkerId("nobody")):
        with pytest.raises(WorkerNotFound):
            pauses.drain(worker, "")
    assert not client.exists("gridpress:paused")
    assert not pauses.end_drain(ONE)


def test_a_drain_ends_with_its_worker(client: Client, leases: LeaseStore) -> None:
    PauseStore(client).drain(ONE, "")
    leases.leave(Announcement(ONE, Queue.AR, 4, REVISION))
    assert not client.exists("gridpress:paused")


def test_the_list_of_workers_shows_it(client: Client, leases: LeaseStore) -> None:
    drain = PauseStore(client).drain(ONE, "too hot")
    found = {each.worker_id: each.drain for each in WorkerStore(client).workers()[0]}
    assert found == {ONE: drain, TWO: None}
    assert PauseStore(client).pauses() == []  # a drain is no pause


def test_a_drained_worker_offers_no_slots_and_no_revision(client: Client, leases: LeaseStore) -> None:
    throughput, new = ThroughputStore(client), Revision("new")
    assert throughput.loads()[Stage.AR].strength.slots == 8
    PauseStore(client).drain(ONE, "")
    beat(leases, ONE, slots=0, revision=new)
    load = throughput.loads()[Stage.AR]
    assert (load.strength.slots, load.last_slots) == (4, 4)
    assert throughput.newest_revision() == REVISION


def test_what_only_a_drained_worker_could_take_counts_as_unserved(client: Client, leases: LeaseStore) -> None:
    submitted(JobStore(client))
    for worker in (ONE, TWO):
        PauseStore(client).drain(worker, "")
        beat(leases, worker, slots=0)
    assert dict(ThroughputStore(client).loads()[Stage.AR].unserved) == {REVISION: 1}
