"""Twin of `shared.store.jobs`: creates, reads, lists and cancels jobs in memory."""

from shared.errors import JobNotFound, TenantLimitReached
from shared.ids import JobId, TenantId, render_id
from shared.jobs import Job, JobSpec, Render
from shared.limits import Load, refuse_more_queued
from shared.states import ARROWS, JobStatus, RenderState
from shared.store.jobs import JobEvent
from tests.store.memory_state import JobRecord, Memory, RenderRecord, moment


class MemoryJobs:
    """Twin of `JobStore`."""

    def __init__(self, memory: Memory) -> None:
        self._memory = memory

    def submit(self, job_id: JobId, spec: JobSpec) -> Job:
        if job_id not in self._memory.jobs:
            self._refuse_too_many(spec)
            job = JobRecord(job_id, spec, self._memory.revision, self._memory.now_ms)
            job.renders = [RenderRecord(render_id(job_id, i), i, spec.seed_of(i), job) for i in range(spec.n)]
            for render in job.renders:
                self._memory.set_deadline(render, spec.start_timeout_s)
            job.tell("job.queued", n=spec.n)
            self._memory.jobs[job_id] = job
        return self.job(job_id, spec.tenant)

    def load(self, tenant: TenantId) -> Load:
        return self._memory.load(tenant)

    def job(self, job_id: JobId, tenant: TenantId) -> Job:
        return _job(self._record(job_id, tenant))

    def jobs(self, tenant: TenantId, *, limit: int, after: JobId | None, status: JobStatus | None) -> list[Job]:
        found = [
            job
            for job in self._memory.jobs.values()
            if job.spec.tenant == tenant and status in (None, job.status) and (after is None or job.job_id < after)
        ]
        return [_job(job) for job in sorted(found, key=lambda job: job.job_id, reverse=True)[:limit]]

    def cancel(self, job_id: JobId, tenant: TenantId) -> Job:
        for render in self._record(job_id, tenant).renders:
            if RenderState.CANCELLED in ARROWS[render.state]:
                self._memory.move(render, RenderState.CANCELLED)
        return self.job(job_id, tenant)

    def events(self, job_id: JobId, *, after: str, block_s: float) -> list[JobEvent]:
        return self._memory.jobs[job_id].events[int(after.partition("-")[0]) :]

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
    return Job(job.job_id, job.spec, job.status, job.revision, tuple(map(_render, job.renders)), *times)


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
