"""What operators pause is claimed by no worker, and nothing else notices."""

from collections.abc import Sequence
from typing import Any

import pytest

from shared.hints.message import HintMessage
from shared.hints.queues import Queue, celery_list
from shared.ids import Revision, TenantId, WorkerId
from shared.jobs.job import Job
from shared.jobs.leases import Claim
from shared.jobs.pauses import PauseKind
from shared.jobs.spec import Priority
from shared.jobs.states import JobStatus, Stage
from shared.store.core.connect import Client
from shared.store.jobs.jobs import JobStore
from shared.store.pauses.pauses import PauseStore
from shared.store.queues.throughput import ThroughputStore
from shared.store.queues.upkeep import UpkeepStore
from shared.store.renders.leases import Announcement, LeaseStore
from tests.shared.store.builders import REVISION, RULES, WORKER_ID, a_picture, a_prior, submitted
from tests.shared.store.commands import num_commands

ACME, GLOBEX, OTHER = TenantId("acme"), TenantId("globex"), Revision("r2")
STAGE, CLASS, TENANT, OF_REVISION = PauseKind.STAGE, PauseKind.CLASS, PauseKind.TENANT, PauseKind.REVISION


class Service:
    """One worker of each stage, and the stores."""

    def __init__(self, client: Client) -> None:
        self.client = client
        self.jobs, self.leases, self.pauses = JobStore(client), LeaseStore(client, RULES), PauseStore(client)
        self.upkeep, self.throughput = UpkeepStore(client), ThroughputStore(client)
        self.beat()

    def beat(self) -> None:
        for stage in Stage:
            self.leases.beat(Announcement(self.worker(stage), Queue(stage.value), 4, REVISION), [])

    def worker(self, stage: Stage) -> WorkerId:
        return WorkerId(f"{WORKER_ID}-{stage}")

    def submit(self, tenant: TenantId = ACME, priority: Priority = Priority.INTERACTIVE, **fields: Any) -> Job:
        return submitted(self.jobs, tenant=tenant, priority=priority, **fields)

    def claim(self, stage: Stage = Stage.AR, revision: Revision = REVISION) -> Claim | None:
        return self.leases.claim(stage, revision, self.worker(stage))

    def claims(self, stage: Stage = Stage.AR) -> list[str]:
        """The tenant and the class of each render that is claimed until nothing is found."""
        found = []
        while claim := self.claim(stage):
            found.append(f"{self.jobs_of(claim)} {claim.priority}")
        return found

    def jobs_of(self, claim: Claim) -> str:
        return str(self.client.hget(f"gridpress:job:{claim.job_id}", "tenant"))

    def with_grids(self, *jobs: Job) -> None:
        """Takes jobs through AR."""
        for _ in jobs:
            claim = self.claim()
            assert claim
            self.leases.finish_prior(claim.lease, a_prior())

    def look(self, job: Job) -> Job:
        return self.jobs.job(job.job_id, job.spec.tenant)


@pytest.fixture
def service(client: Client) -> Service:
    return Service(client)


def test_a_paused_stage_is_claimed_by_nobody_and_the_other_goes_on(service: Service) -> None:
    first, second = service.submit(), service.submit(GLOBEX)
    service.with_grids(first)
    service.pauses.pause(STAGE, "ar", "")
    assert service.claim() is None
    dit = service.claim(Stage.DIT)
    assert dit
    service.leases.finish_picture(dit.lease, a_picture())
    service.pauses.pause(STAGE, "dit", "")
    assert service.pauses.resume(STAGE, "ar")
    service.with_grids(second)
    assert service.claim(Stage.DIT) is None
    assert service.pauses.resume(STAGE, "dit")
    assert service.claim(Stage.DIT)


@pytest.mark.parametrize("stage", Stage)
def test_of_two_classes_the_paused_one_waits(service: Service, stage: Stage) -> None:
    jobs = [service.submit(priority=each) for each in (Priority.BATCH, Priority.INTERACTIVE, Priority.BATCH)]
    if stage is Stage.DIT:
        service.with_grids(*jobs)
    service.pauses.pause(CLASS, "batch", "")
    assert service.claims(stage) == ["acme interactive"]
    service.pauses.resume(CLASS, "batch")
    service.pauses.pause(CLASS, "interactive", "")
    assert service.claims(stage) == ["acme batch", "acme batch"]


@pytest.mark.parametrize("stage", Stage)
def test_a_paused_tenant_waits_and_the_others_keep_their_order(service: Service, stage: Stage) -> None:
    jobs = [service.submit(tenant) for tenant in (ACME, GLOBEX, ACME, GLOBEX)]
    if stage is Stage.DIT:
        service.with_grids(*jobs)
    service.pauses.pause(TENANT, "acme", "unpaid")
    assert service.claims(stage) == ["globex interactive"] * 2
    service.submit(ACME)
    assert service.claims(stage) == []
    assert service.pauses.resume(TENANT, "acme")
    assert service.claims(stage) == ["acme interactive"] * (3 if stage is Stage.AR else 2)


def test_the_end_of_its_running_render_does_not_resume_a_tenant(service: Service) -> None:
    running = service.submit(ACME)
    service.submit(ACME)
    claim = service.claim()
    service.pauses.pause(TENANT, "acme", "")
    assert claim
    assert service.claim() is None
    service.leases.fail(claim.lease, {"code": "x", "message": "x", "stage": "ar", "retryable": False})
    assert service.look(running).status is JobStatus.FAILED
    assert service.claim() is None
    assert service.upkeep.heal_shares() == 0


def test_a_paused_revision_waits_and_the_other_goes_on(service: Service) -> None:
    service.submit()
    service.pauses.pause(OF_REVISION, REVISION, "")
    assert service.claim() is None
    assert service.claim(revision=OTHER) is None  # it was accepted for the first one
    other = WorkerId("other")
    service.leases.beat(Announcement(other, Queue.AR, 4, OTHER), [])
    service.submit(GLOBEX)
    assert service.claim(revision=OTHER)
    service.pauses.resume(OF_REVISION, REVISION)
    assert service.claim()


def test_a_paused_job_waits_and_does_not_fail_whatever_upkeep_does(service: Service) -> None:
    jobs = [service.submit(), service.submit(GLOBEX, Priority.BATCH)]
    for kind, name in ((STAGE, "ar"), (CLASS, "batch"), (TENANT, "acme"), (OF_REVISION, REVISION)):
        service.pauses.pause(kind, name, "")
        for _ in range(2):
            service.upkeep.rescue(5)
            service.upkeep.expire()
            service.upkeep.heal_shares()
            service.upkeep.reroute()
        service.claims()
        service.pauses.resume(kind, name)
    assert {service.look(job).status for job in jobs} <= {JobStatus.QUEUED, JobStatus.RUNNING}


def test_renders_that_run_go_on(service: Service) -> None:
    job = service.submit()
    claim = service.claim()
    assert claim
    for kind, name in ((STAGE, "ar"), (CLASS, "interactive"), (TENANT, "acme"), (OF_REVISION, REVISION)):
        service.pauses.pause(kind, name, "")
    service.beat()
    service.leases.finish_prior(claim.lease, a_prior())
    assert service.look(job).status is JobStatus.RUNNING
    assert service.claim(Stage.DIT) is None


def test_suspects_of_a_crash_are_paused_too(client: Client) -> None:
    service = Service(client)
    for _ in range(4):
        service.submit(ACME)
    for dying in (WorkerId("dying0"), WorkerId("dying1")):
        assert all(service.leases.claim(Stage.AR, REVISION, dying) for _ in range(4))
        service.upkeep.take_back(dying, poison_strikes=5)
    assert client.zcard("gridpress:quarantine:ar") == 4
    service.pauses.pause(TENANT, "acme", "")
    assert service.claim() is None
    service.pauses.resume(TENANT, "acme")
    assert service.claim()


PAUSES: Sequence[tuple[PauseKind, str]] = (
    (STAGE, "ar"), (CLASS, "interactive"), (TENANT, "acme"), (OF_REVISION, REVISION)
)  # fmt: skip


@pytest.mark.parametrize(("kind", "name"), PAUSES)
def test_a_job_says_why_it_waits(service: Service, kind: PauseKind, name: str) -> None:
    job = service.submit()
    assert service.throughput.outlook(job).pause is None
    made = service.pauses.pause(kind, name, "until noon", "x7k2m4qa")
    found = service.throughput.outlook(service.look(job))
    assert (found.pause, found.eta_s) == (made, None)
    assert found.queue
    assert found.queue.eta_s is None
    assert (made.reason, made.key_id, made.what) == ("until noon", "x7k2m4qa", f"{kind} {name}")
    service.pauses.resume(kind, name)
    assert service.throughput.outlook(service.look(job)).pause is None


def test_a_job_that_runs_in_ar_says_that_the_dit_is_paused(service: Service) -> None:
    job = service.submit()
    assert service.claim()
    assert service.throughput.outlook(service.look(job)).pause is None
    service.pauses.pause(STAGE, "ar", "")
    assert service.throughput.outlook(service.look(job)).pause is None
    made = service.pauses.pause(STAGE, "dit", "")
    assert service.throughput.outlook(service.look(job)).pause == made


@pytest.mark.parametrize(("kind", "name"), PAUSES)
def test_a_job_of_another_says_nothing(service: Service, kind: PauseKind, name: str) -> None:
    job = service.submit(GLOBEX, Priority.BATCH)
    others = {STAGE: "dit-2", CLASS: "interactive", TENANT: "acme", OF_REVISION: OTHER}
    service.pauses.pause(kind, others[kind], "")
    assert service.throughput.outlook(service.look(job)).pause is None


@pytest.mark.parametrize(("kind", "name"), PAUSES)
def test_what_is_paused_wants_no_workers_and_is_no_stall(service: Service, kind: PauseKind, name: str) -> None:
    service.submit()
    assert service.claim(Stage.DIT) is None
    service.pauses.pause(kind, name, "")
    load = service.throughput.loads()[Stage.AR]
    assert (load.waiting, load.open.renders) == (1, 0)
    for _ in range(2):
        stalls = service.upkeep.look_for_stalls(16, lasting_s=0)
    assert not stalls[Stage.AR].is_stalled
    service.pauses.resume(kind, name)
    assert service.throughput.loads()[Stage.AR].open.renders == 1
    for _ in range(2):
        stalls = service.upkeep.look_for_stalls(16, lasting_s=0)
    assert stalls[Stage.AR].is_stalled


@pytest.mark.parametrize(("kind", "name"), PAUSES)
def test_no_idle_worker_is_woken_for_what_is_paused(client: Client, kind: PauseKind, name: str) -> None:
    service, hint = Service(client), HintMessage(Queue.AR, '{"id": "HINT_ID"}')
    service.pauses.pause(kind, name, "")
    for number in range(8):
        worker = WorkerId(f"idle{number}")
        service.leases.beat(Announcement(worker, Queue.AR, 4, REVISION), [])
        service.leases.claim(Stage.AR, REVISION, worker)
        service.submit()
    service.claim()
    service.upkeep.send_hints(hint, 100)
    assert client.llen(celery_list(Queue.AR)) <= 1  # upkeep keeps one in case that a script forgets somebody
    service.pauses.resume(kind, name)
    for number in range(8):
        service.leases.claim(Stage.AR, REVISION, WorkerId(f"idle{number}"))
    assert service.throughput.loads()[Stage.AR].strength.running == 8


def test_a_paused_tenant_is_not_ahead_of_others(service: Service) -> None:
    for _ in range(5):
        service.submit(ACME)
    mine = service.submit(GLOBEX)
    before = service.throughput.place(service.look(mine))
    service.pauses.pause(TENANT, "acme", "")
    after = service.throughput.place(service.look(mine))
    assert before
    assert after
    assert (before.position > 0, after.position) == (True, 0)


def test_a_pause_is_listed_with_its_time_and_a_second_one_changes_the_reason(service: Service) -> None:
    first = service.pauses.pause(STAGE, "dit", "one")
    service.pauses.pause(TENANT, "acme", "", "x7k2m4qa")
    again = service.pauses.pause(STAGE, "dit", "two")
    assert (again.since, again.reason) == (first.since, "two")
    assert service.pauses.pauses() == [again, service.pauses.pause(TENANT, "acme", "", "x7k2m4qa")]
    assert [service.pauses.resume(STAGE, "dit") for _ in range(2)] == [True, False]


def test_a_pause_adds_few_commands_to_a_claim(client: Client) -> None:
    service = Service(client)
    for _ in range(4):
        service.submit()
    service.claim()
    alone = num_commands(client, service.claim)
    service.pauses.pause(STAGE, "dit", "")
    assert num_commands(client, service.claim) - alone <= 8


@pytest.mark.parametrize(
    ("kind", "name", "is_valid"),
    [
        (STAGE, "ar", True), (STAGE, "AR", False), (CLASS, "batch", True), (CLASS, "high", False),
        (TENANT, "acme", True), (TENANT, "A B", False), (OF_REVISION, "4f3a2b1c0d9e", True),
        (OF_REVISION, "a|b", False), (OF_REVISION, " ", False), (OF_REVISION, "r" * 129, False),
    ],
)  # fmt: skip
def test_a_name_fits_its_kind(kind: PauseKind, name: str, is_valid: bool) -> None:
    assert (kind.fault_of(name) is None) is is_valid
