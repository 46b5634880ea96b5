"""Waiting work that no worker has claimed moves to another model revision."""

import pytest

from shared.errors import RevisionNotServed
from shared.hints.queues import Queue
from shared.ids import Revision, TenantId, WorkerId
from shared.jobs.job import Job
from shared.jobs.spec import Priority
from shared.jobs.states import Stage
from shared.store.core.connect import Client
from shared.store.jobs.jobs import JobStore
from shared.store.pauses.pauses import PauseStore
from shared.store.queues.requeue import RequeueStore
from shared.store.queues.throughput import ThroughputStore
from shared.store.renders.leases import Announcement, LeaseStore
from tests.shared.store.builders import RULES, submitted

OLD, NEW = Revision("old"), Revision("new")
ACME, GLOBEX = TenantId("acme"), TenantId("globex")


class Service:
    """Jobs that were accepted for the old revision, while workers of both are alive."""

    def __init__(self, client: Client) -> None:
        self.jobs, self.leases, self.requeue = JobStore(client), LeaseStore(client, RULES), RequeueStore(client)
        self.beat(OLD)

    def beat(self, revision: Revision) -> None:
        self.leases.beat(Announcement(WorkerId(revision), Queue.AR, 4, revision), [])

    def submit(self, tenant: TenantId = ACME, n: int = 1, priority: Priority = Priority.INTERACTIVE) -> Job:
        return submitted(self.jobs, n, tenant=tenant, priority=priority)

    def claimed(self, revision: Revision) -> list[str]:
        """The jobs whose renders a worker of this revision claims until it finds nothing."""
        found = []
        while claim := self.leases.claim(Stage.AR, revision, WorkerId(revision)):
            found.append(claim.job_id)
        return found


@pytest.fixture
def service(client: Client) -> Service:
    return Service(client)


def test_what_nobody_has_claimed_moves_and_keeps_its_order(service: Service, client: Client) -> None:
    jobs = [service.submit(priority=each) for each in (Priority.BATCH, Priority.INTERACTIVE, Priority.INTERACTIVE)]
    others = service.submit(GLOBEX, n=3)
    service.beat(NEW)
    assert service.requeue.move(NEW) == 6
    assert service.claimed(OLD) == []
    claimed = service.claimed(NEW)
    assert [each for each in claimed if each != others.job_id] == [jobs[1].job_id, jobs[2].job_id, jobs[0].job_id]
    assert claimed.count(others.job_id) == 3
    assert service.jobs.job(others.job_id, GLOBEX).revision == NEW
    assert client.smembers("gridpress:lanes:ar") == set()


def test_a_job_that_a_worker_has_claimed_stays(service: Service) -> None:
    """Also if the worker has given it back, and its renders that wait."""
    bound, handed_back = service.submit(n=3), service.submit()
    claim = service.leases.claim(Stage.AR, OLD, WorkerId(OLD))
    assert claim
    assert claim.job_id == bound.job_id
    for _ in range(3):
        given = service.leases.claim(Stage.AR, OLD, WorkerId(OLD))
        assert given
        service.leases.hand_back(given.lease) if given.job_id == handed_back.job_id else None
    free = service.submit()
    service.beat(NEW)
    assert service.requeue.move(NEW) == 1
    assert service.claimed(NEW) == [free.job_id]
    assert service.claimed(OLD) == [handed_back.job_id]


def test_many_jobs_move_past_those_that_stay(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shared.store.queues.requeue._MOST_AT_ONCE", 2)
    staying = [service.submit(n=2) for _ in range(3)]
    for _ in staying:
        claim = service.leases.claim(Stage.AR, OLD, WorkerId(OLD))
        assert claim
        other = service.leases.claim(Stage.AR, OLD, WorkerId(OLD))
        assert other
        service.leases.hand_back(other.lease)
        break
    moving = [service.submit(n=2) for _ in range(5)]
    service.beat(NEW)
    assert service.requeue.move(NEW) == 2 * (len(staying) - 1 + len(moving))
    assert service.requeue.move(NEW) == 0
    assert len(service.claimed(NEW)) == 2 * (len(staying) - 1 + len(moving))


def test_only_one_tenant_or_the_work_for_one_revision_moves(service: Service) -> None:
    mine, others = service.submit(ACME), service.submit(GLOBEX)
    service.beat(NEW)
    assert service.requeue.move(NEW, source=Revision("another")) == 0
    assert service.requeue.move(NEW, tenant=GLOBEX, source=OLD) == 1
    assert (service.claimed(NEW), service.claimed(OLD)) == ([others.job_id], [mine.job_id])


def test_nothing_moves_to_a_revision_that_no_worker_serves(service: Service, client: Client) -> None:
    job = service.submit()
    with pytest.raises(RevisionNotServed):
        service.requeue.move(NEW)
    service.beat(NEW)
    PauseStore(client).drain(WorkerId(NEW), "")
    with pytest.raises(RevisionNotServed):
        service.requeue.move(NEW)
    assert service.claimed(OLD) == [job.job_id]


def test_work_without_a_revision_moves_too(client: Client) -> None:
    jobs = JobStore(client)
    job = submitted(jobs)
    service = Service(client)
    service.beat(NEW)
    assert service.requeue.move(NEW) == 1
    assert (service.claimed(OLD), service.claimed(NEW)) == ([], [job.job_id])


def test_the_costs_of_the_lanes_stay_right(service: Service, client: Client) -> None:
    service.submit(n=2)
    before = ThroughputStore(client).loads()[Stage.AR]
    service.beat(NEW)
    service.requeue.move(NEW)
    after = ThroughputStore(client).loads()[Stage.AR]
    assert (after.waiting, after.waiting_cost) == (before.waiting, before.waiting_cost)
    assert list(client.hgetall("gridpress:cost:ar")) == ["interactive|acme|new"]
