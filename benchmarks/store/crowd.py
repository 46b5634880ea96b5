"""Fills a store with busy workers and with tenants that have one waiting render each."""

from dataclasses import dataclass

from celery import Celery

from shared.geometry import GridSize
from shared.hints.message import hint_message
from shared.hints.queues import Queue
from shared.ids import ObjectKey, Revision, TenantId, WorkerId, new_job_id
from shared.jobs.job import Job, Picture, PriorSource
from shared.jobs.leases import Claim, Progress, RenderReport
from shared.jobs.spec import JobSpec, RenderSettings
from shared.jobs.states import Stage
from shared.jobs.token_grid import Prior, TokenGrid
from shared.store.core.connect import Client
from shared.store.jobs.jobs import JobStore
from shared.store.renders.leases import Announcement, LeaseRules, LeaseStore
from shared.webhooks.events import ENDS

REVISION = Revision("r1")
PRIOR = Prior(TokenGrid(GridSize(32, 32), tuple(range(1024))))
PICTURE = Picture(
    ObjectKey("jobs/x/0/picture.png"), ObjectKey("jobs/x/0/manifest.json"), "0" * 64, 1_500_000, "image/png"
)
AR_SLOTS = 32

_RULES = LeaseRules(ttl_s=3600, prior_ready_limit_min=16)  # no lease ends while a benchmark runs
_SHARE_OF_AR = 0.03
_SETTINGS = RenderSettings(prompt="a red kite over the sea", width_px=1024, height_px=1024)


@dataclass(frozen=True, slots=True)
class Stores:
    """The store clients of the roles, with the hints that the roles pass."""

    jobs: JobStore
    leases: LeaseStore

    @classmethod
    def of(cls, client: Client) -> "Stores":
        hints = {queue: hint_message(Celery("bench"), queue) for queue in Queue}
        after = [hints[queue] for queue in (Queue.AR, Queue.DIT, Queue.DELIVERY)]
        return cls(JobStore(client, hints=hints), LeaseStore(client, _RULES, after))

    def submit(self, tenant: str, source: PriorSource | None = None) -> Job:
        """Creates a job of one picture of 1024x1024 with a webhook."""
        url = f"https://{tenant}.example/hook"
        spec = JobSpec(settings=_SETTINGS, n=1, seed=1, tenant=TenantId(tenant), webhook_url=url, webhook_events=ENDS)
        return self.jobs.submit(new_job_id(), spec, source=source)


@dataclass(frozen=True, slots=True)
class Worker:
    """An announced worker, and the renders that it holds."""

    announcement: Announcement
    claims: tuple[Claim, ...] = ()

    @property
    def stage(self) -> Stage:
        return Stage(self.announcement.queue)

    def reports(self, num_done: int, total: int) -> list[RenderReport]:
        """Returns what a heartbeat tells about the renders: `num_done` of `total` steps are finished."""
        return [RenderReport(claim.lease, Progress(num_done, total), in_step=True) for claim in self.claims]


def hire(stores: Stores, stage: Stage, name: str, num_held: int = 1) -> Worker:
    """Announces a worker with `num_held` running renders, the usual state of a worker under load."""
    slots = AR_SLOTS if stage is Stage.AR else 1
    announcement = Announcement(WorkerId(name), Queue(stage), slots, REVISION)
    stores.leases.beat(announcement, [])
    return Worker(announcement, tuple(_claim(stores, stage, announcement.worker_id) for _ in range(num_held)))


def _claim(stores: Stores, stage: Stage, worker: WorkerId) -> Claim:
    stores.submit("held", PriorSource(PRIOR, REVISION) if stage is Stage.DIT else None)
    claim = stores.leases.claim(stage, REVISION, worker)
    assert claim
    return claim


def fill(stores: Stores, tenants: int, workers: int) -> None:
    """Announces `workers` busy workers, 3 % of them AR workers. Then submits one job for each tenant, which waits."""
    num_ar = max(1, round(workers * _SHARE_OF_AR))
    for number in range(workers):
        hire(stores, Stage.AR if number < num_ar else Stage.DIT, f"w{number}")
    for number in range(tenants):
        stores.submit(f"t{number}")
