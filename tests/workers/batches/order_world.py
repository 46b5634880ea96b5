"""Batches of tenants in a real store, without files: each line becomes a job, and claims say whose turn it is."""

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import islice

from shared.batches.batch import (
    Batch,
    BatchId,
    BatchPriority,
    BatchSpec,
    LineJob,
    LineState,
    Precedence,
    line_job_id,
    new_batch_id,
)
from shared.files import FileId
from shared.ids import TenantId, WorkerId
from shared.jobs.spec import JobSpec, RenderSettings
from shared.jobs.states import Stage
from shared.store.batch_work.work import BatchRules, BatchWork, Leased
from shared.store.batches.batches import BatchStore
from shared.store.core.connect import Client
from shared.store.jobs.jobs import JobStore
from shared.store.jobs.submission import LineSubmission
from shared.store.renders.leases import LeaseRules, LeaseStore
from tests.shared.store.builders import REVISION

OWNER, OTHER = TenantId("owner"), TenantId("other")
SPARE = 10
NOW = datetime.now(UTC).replace(microsecond=0)


def precedence(priority: BatchPriority, finish_in_h: int | None) -> Precedence:
    return Precedence(priority, None if finish_in_h is None else NOW + timedelta(hours=finish_in_h))


@dataclass
class OrderWorld:
    """`lines` counts the released lines of each batch."""

    client: Client
    lines: dict[BatchId, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.client.flushdb()
        self.batches, self.jobs = BatchStore(self.client), JobStore(self.client)
        self.work = BatchWork(self.client, BatchRules(60, SPARE, 3600, 3600))
        self.leases = LeaseStore(self.client, LeaseRules(ttl_s=30, prior_ready_limit_min=1000))

    def batch(self, place: Precedence, num_lines: int = 20, tenant: TenantId = OWNER) -> Batch:
        """A batch whose lines were checked and wait."""
        spec = BatchSpec(
            tenant=tenant,
            input_file_id=FileId("file-" + "0" * 26),
            endpoint="/v1/jobs",
            window="24h",
            window_s=24 * 3600,
            priority=place.priority.scheduling_class,
        )
        batch = self.batches.create(new_batch_id(), spec, precedence=place)
        found = self.look(batch)
        self.work.start(found.lease, [LineState.WAITING] * num_lines, [])
        self.work.rest(found.lease, 0)
        return batch

    def look(self, batch: Batch) -> Leased:
        """Leases this batch, whichever is due first."""
        for each in self.client.zrange("gridpress:batch_work", 0, -1):
            self.client.zadd("gridpress:batch_work", {each: 10 if each == batch.batch_id else 20})
        lease = self.work.claim()
        assert lease
        assert lease.batch_id == batch.batch_id
        return self.work.look(lease)

    def rank(self, batch: Batch, place: Precedence) -> None:
        """Moves the batch, and a worker moves its released lines."""
        self.batches.rank(self.batches.batch(batch.batch_id, batch.spec.tenant), place)
        found = self.look(batch)
        self.work.rank_lines(found)
        self.work.rest(found.lease, 0)

    def room(self, batch: Batch) -> int:
        """How many renders a worker would release of it now."""
        found = self.look(batch)
        self.work.rest(found.lease, 0)
        return found.room

    def release(self, batch: Batch, count: int = 1) -> None:
        for _ in range(count):
            line = self.lines.get(batch.batch_id, 0)
            self.lines[batch.batch_id] = line + 1
            drawn = RenderSettings(prompt="a red kite", width_px=256, height_px=256)
            spec = JobSpec(settings=drawn, n=1, seed=1, tenant=batch.spec.tenant, priority=batch.spec.priority)
            job_id = line_job_id(batch.batch_id, 0, line)
            self.jobs.submit_lines([LineSubmission(job_id, spec, LineJob(batch.batch_id, line, "{}"))])

    def claimed(self, most: int = 1000) -> list[str]:
        """The ids of the jobs that a worker claims one after the other."""
        claims = iter(lambda: self.leases.claim(Stage.AR, REVISION, WorkerId("w")), None)
        return [claim.job_id for claim in islice(claims, most) if claim]
