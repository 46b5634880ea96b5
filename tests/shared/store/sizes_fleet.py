"""AR and DiT workers of several sizes, and the jobs of several tenants, in the real store."""

from dataclasses import dataclass, field
from typing import Any, cast
from unittest.mock import patch

from shared.geometry import GridSize
from shared.hints.queues import Queue
from shared.ids import JobId, ObjectKey, Revision, TenantId, WorkerId, new_job_id
from shared.jobs.job import Job, PriorSource
from shared.jobs.leases import Claim, Vacancy
from shared.jobs.spec import JobSpec, Priority, RenderSettings
from shared.jobs.states import Stage
from shared.jobs.token_grid import Prior, TokenGrid
from shared.schedule.sizes import ANY_SIZE, SizeClass, Sizes
from shared.store.core.connect import Client
from shared.store.jobs import codec
from shared.store.jobs.jobs import JobStore
from shared.store.queues.throughput import ThroughputStore
from shared.store.renders.leases import Announcement, LeaseStore
from tests.shared.store.builders import REVISION, RULES, a_picture

A, B = TenantId("a"), TenantId("b")
SMALL = Sizes(frozenset())
MEDIUM = Sizes(frozenset({"1536", "2048"}))  # large pictures, but no large edits
LARGE = ANY_SIZE
ORDINARY_PX, LARGE_PX = 1024, 2048


def a_prior_of(side_px: int) -> Prior:
    size = GridSize(side_px // 32, side_px // 32)
    return Prior(TokenGrid(size, (5,) * size.num_tokens))


@dataclass
class Fleet:
    """AR and DiT workers of several sizes, and the jobs of several tenants, in the real store."""

    client: Client
    jobs: JobStore = field(init=False)
    leases: LeaseStore = field(init=False)
    pace: ThroughputStore = field(init=False)

    def __post_init__(self) -> None:
        self.jobs, self.leases = JobStore(self.client), LeaseStore(self.client, RULES)
        self.pace = ThroughputStore(self.client)

    def beat(self, name: str, sizes: Sizes, stage: Stage = Stage.DIT, revision: Revision = REVISION) -> None:
        worker = Announcement(WorkerId(name), Queue(stage), 1, revision, sizes=sizes)
        self.leases.beat(worker, [])

    def submit(
        self,
        side_px: int,
        tenant: TenantId = A,
        stage: Stage = Stage.DIT,
        priority: Priority = Priority.INTERACTIVE,
        condition_px: int = 0,
        n: int = 1,
    ) -> Job:
        edit = {"images": (ObjectKey("i"),), "image_sizes": ((condition_px, condition_px),)} if condition_px else {}
        settings = RenderSettings(prompt="a", width_px=side_px, height_px=side_px, **edit)
        source = PriorSource(a_prior_of(side_px), REVISION) if stage is Stage.DIT else None
        spec = JobSpec(settings=settings, n=n, seed=7, tenant=tenant, priority=priority)
        return self.jobs.submit(new_job_id(), spec, source=source)

    def submit_to_earlier_release(self, *args: Any, **changes: Any) -> Job:
        """Submits a job as a release does that knows no size classes."""
        with patch.object(codec, "size_class", lambda _: SizeClass(1024)):
            job = self.submit(*args, **changes)
        self.client.hdel(f"gridpress:job:{job.job_id}", "size")
        return job

    def lane_of(self, job: Job) -> str:
        return cast("str", self.client.hget(f"gridpress:job:{job.job_id}", "lane"))

    def open(self, name: str, sizes: Sizes, stage: Stage = Stage.DIT) -> None:
        """Starts a worker, which asks for a render and finds none."""
        self.beat(name, sizes, stage)
        assert self.leases.claim(stage, REVISION, WorkerId(name), sizes=sizes) is None

    def claim(self, sizes: Sizes, stage: Stage = Stage.DIT, place: Vacancy | None = None) -> Claim | None:
        return self.leases.claim(stage, REVISION, WorkerId("w"), place or Vacancy(), sizes)

    def claimed(self, sizes: Sizes, stage: Stage = Stage.DIT) -> JobId | None:
        claim = self.claim(sizes, stage)
        return claim.job_id if claim else None

    def finished(self, sizes: Sizes) -> Claim:
        claim = self.claim(sizes)
        assert claim
        self.leases.finish_picture(claim.lease, a_picture())
        return claim
