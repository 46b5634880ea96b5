"""Twin of `shared.store.jobs.jobs`: creates, reads, lists and cancels jobs in memory."""

from dataclasses import asdict
from datetime import datetime

from shared.access.limits import Load, refuse_more_queued
from shared.errors import ClientIdTaken, DeadlineOver, JobNotFinal, JobNotFound, JobNotRetryable, TenantLimitReached
from shared.ids import JobId, Revision, TenantId, render_id
from shared.jobs.job import ClientName, Job, PriorSource, Render
from shared.jobs.spec import JobSpec
from shared.jobs.states import ARROWS, JobStatus, RenderState
from shared.store.jobs.filter import ANY_JOB, JobFilter
from shared.store.jobs.jobs import JobEvent
from tests.shared.store.memory_state import EnhancementRecord, JobRecord, Memory, RenderRecord, moment


class MemoryJobs:
    """Twin of `JobStore`."""

    def __init__(self, memory: Memory) -> None:
        self._memory = memory

    def submit(
        self, job_id: JobId, spec: JobSpec, *, name: ClientName | None = None, source: PriorSource | None = None
    ) -> Job:
        named = (spec.tenant, name.client_id if name else None)
        if name and named in self._memory.client_ids:
            standing = self._memory.client_ids[named]
            if self._memory.jobs[standing].fingerprint != name.fingerprint:
                raise ClientIdTaken(name.client_id)
            return self.job(standing, spec.tenant)
        if job_id not in self._memory.jobs:
            self._refuse_too_many(spec)
            revision = source.revision if source else self._memory.revision
            job = JobRecord(job_id, spec, revision, self._memory.now_ms, is_pinned=source is not None)
            job.renders = [RenderRecord(render_id(job_id, i), i, spec.seed_of(i), job) for i in range(spec.n)]
            for render in job.renders:
                if source:
                    render.state, render.prior = RenderState.PRIOR_READY, source.prior
                    render.times_ms["prior_ready"] = self._memory.now_ms
                self._memory.set_deadline(render, spec.start_timeout_s)
            if name:
                self._memory.client_ids[named], job.fingerprint = job_id, name.fingerprint
            if spec.enhance_prompt:
                job.enhancement = EnhancementRecord(self._memory.now_ms)
            job.tell("job.queued", n=spec.n)
            self._memory.jobs[job_id] = job
            for render in job.renders:
                if not job.is_enhancing:
                    self._memory.enter(render)
        return self.job(job_id, spec.tenant)

    def load(self, tenant: TenantId) -> Load:
        return self._memory.load(tenant)

    def job(self, job_id: JobId, tenant: TenantId) -> Job:
        return _job(self._record(job_id, tenant))

    def jobs(self, tenant: TenantId, filters: JobFilter = ANY_JOB, *, limit: int, after: JobId | None) -> list[Job]:
        found = [
            job
            for job in self._memory.jobs.values()
            if job.spec.tenant == tenant
            and job.status in (filters.statuses or JobStatus)
            and (after is None or job.job_id < after)
        ]
        return [_job(job) for job in sorted(found, key=lambda job: job.job_id, reverse=True)[:limit]]

    def cancel(self, job_id: JobId, tenant: TenantId) -> Job:
        for render in self._record(job_id, tenant).renders:
            if RenderState.CANCELLED in ARROWS[render.state]:
                self._memory.move(render, RenderState.CANCELLED)
        return self.job(job_id, tenant)

    def retry(self, job: Job, deadline: datetime | None) -> Job:
        record = self._record(job.job_id, job.spec.tenant)
        if not record.status.is_final and record.revivals:
            return _job(record)
        if not record.status.is_final or record.status is JobStatus.SUCCEEDED:
            raise JobNotRetryable(job.job_id, record.status)
        if deadline and int(deadline.timestamp() * 1000) <= self._memory.now_ms:
            raise DeadlineOver(job.job_id)
        missing = [render for render in record.renders if render.state is not RenderState.SUCCEEDED]
        self._refuse_too_many(record.spec.model_copy(update={"n": len(missing)}))
        record.spec = record.spec.model_copy(update={"deadline": deadline})
        record.ranked_ms = self._memory.now_ms
        self._memory.reopen(record, "job.retried", n=len(missing))
        for render in missing:
            self._memory.revive(render)
        return _job(record)

    def delete(self, job_id: JobId, tenant: TenantId) -> None:
        job = self._record(job_id, tenant)
        if not job.status.is_final:
            raise JobNotFinal(job_id)
        self._memory.forget(job)

    def events(self, job_id: JobId, *, after: str) -> list[JobEvent]:
        return self._memory.jobs[job_id].events[int(after.partition("-")[0]) :]  # their ids are their numbers

    def progress(self, job: Job) -> list[JobEvent]:
        renders = [(each, each.progress) for each in self._memory.jobs[job.job_id].renders]
        return [
            JobEvent("", "render.progress", {"index": each.index, "stage": str(each.stage), **asdict(steps)})
            for each, steps in renders
            if steps
        ]

    def _refuse_too_many(self, spec: JobSpec) -> None:
        refusal = refuse_more_queued(self._memory.limits_of(spec.tenant), self.load(spec.tenant).queued, spec.n)
        if refusal:
            raise TenantLimitReached(refusal)

    def _record(self, job_id: JobId, tenant: TenantId) -> JobRecord:
        job = self._memory.jobs.get(job_id)
        if job is None or job.spec.tenant != tenant:
            raise JobNotFound(job_id)
        return job


def _job(job: JobRecord) -> Job:
    created_at = moment(job.created_ms)
    assert created_at
    times = (created_at, moment(job.started_ms), moment(job.finished_ms))
    enhancement = job.enhancement.decided if job.enhancement else None
    revision = job.revision if job.is_pinned else Revision("")
    return Job(job.job_id, job.spec, job.status, revision, tuple(map(_render, job.renders)), *times, enhancement)


def _render(render: RenderRecord) -> Render:
    times = render.times_ms
    return Render(
        render_id=render.render_id,
        index=render.index,
        state=render.state,
        seed=render.seed,
        progress=render.progress,
        picture=render.picture,
        error=render.error,
        ended_in=render.ended_in,
        attempts=render.attempts,
        prior_started_at=moment(times.get("prior_running")),
        prior_ready_at=moment(times.get("prior_ready")),
        decode_started_at=moment(times.get("decode_running")),
        finished_at=moment(times.get("finished")),
    )
