"""Creates, reads, lists and cancels jobs. Leases are not its business."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import cast

from shared.errors import JobNotFound, TenantLimitReached
from shared.ids import JobId, TenantId, render_id
from shared.jobs import Job, JobSpec
from shared.limits import Load, TenantLimits, refuse_more_queued
from shared.states import JobStatus
from shared.store import codec
from shared.store.connect import Client, translated
from shared.store.scripts import PRIMARY_ALONE, Replicas, Scripts

_PREFIX = "gridpress:"


@dataclass(frozen=True, slots=True)
class JobEvent:
    """One entry of a job's event stream. `event_id` is the cursor for `events(after=...)`."""

    event_id: str
    type: str
    data: Mapping[str, object]


class JobStore:
    """Jobs as clients see them. Every method raises `StoreUnavailable` when the store does not answer."""

    def __init__(self, client: Client, replicas: Replicas = PRIMARY_ALONE) -> None:
        self._client = client
        self._replicas = replicas
        self._scripts = Scripts(client)

    def submit(self, job_id: JobId, spec: JobSpec) -> Job:
        """Creates the job and its renders in one call. The same id again changes nothing and answers the job.

        Returns once the store has it on disk, and so many replicas as were asked for hold it. Raises
        `TenantLimitReached` when more renders of the tenant would wait than it may have.
        """
        renders = [(render_id(job_id, index), spec.seed_of(index)) for index in range(spec.n)]
        flat = [value for pair in renders for value in pair]
        head = (job_id, spec.tenant, spec.model_dump_json(), spec.priority, spec.priority.handicap_s * 1000)
        body = (*codec.limits_ms(spec), "", spec.n, *flat)
        answer = self._scripts.run_replicated(self._replicas, "submit", *head, *body)
        if isinstance(answer, list):
            num_queued, most = answer
            refusal = refuse_more_queued(TenantLimits(queued_renders=most), num_queued, spec.n)
            assert refusal
            raise TenantLimitReached(refusal)
        return self.job(job_id, spec.tenant)

    def job(self, job_id: JobId, tenant: TenantId) -> Job:
        """Raises `JobNotFound` for an unknown id and for another tenant's."""
        job = self.job_of_any_tenant(job_id)
        if job.spec.tenant != tenant:
            raise JobNotFound(f"no job {job_id}")
        return job

    def job_of_any_tenant(self, job_id: JobId) -> Job:
        """For the service's own processes, which work for all. Raises `JobNotFound`."""
        found = self._read([job_id])
        if not found:
            raise JobNotFound(f"no job {job_id}")
        return found[0]

    def load(self, tenant: TenantId) -> Load:
        """How many renders a tenant has in the service now."""
        with translated():
            queued, running = self._client.hmget(f"{_PREFIX}load:{tenant}", ["queued", "running"])
        return Load(int(queued or 0), int(running or 0))

    def jobs(self, tenant: TenantId, *, limit: int, after: JobId | None, status: JobStatus | None) -> list[Job]:
        """Newest first; `after` is the last id of the page before."""
        key = f"{_PREFIX}jobs:{tenant}" + (f":{status}" if status else "")
        with translated():
            ids = self._client.zrevrangebylex(key, f"({after}" if after else "+", "-", start=0, num=limit)
        return self._read(cast("list[JobId]", ids))

    def cancel(self, job_id: JobId, tenant: TenantId) -> Job:
        """Cancels every render that is not final; a final job stays as it is. Raises `JobNotFound`."""
        job = self.job(job_id, tenant)
        self._scripts.run("cancel", job_id, tenant, *(render.render_id for render in job.renders))
        return self.job(job_id, tenant)

    def events(self, job_id: JobId, *, after: str, block_s: float) -> list[JobEvent]:
        """Events later than `after` ("0": all that are kept); waits up to `block_s` for the first."""
        key = f"{_PREFIX}events:{job_id}"
        with translated():
            answer = self._client.xread({key: after}, block=max(1, int(block_s * 1000)))
        streams = cast("list[tuple[str, list[tuple[str, dict[str, str]]]]]", answer or [])
        entries = streams[0][1] if streams else []
        return [JobEvent(event_id, fields["type"], json.loads(fields["data"])) for event_id, fields in entries]

    def check(self) -> None:
        """Raises `StoreUnavailable` unless the store answers."""
        with translated():
            self._client.ping()

    def _read(self, job_ids: Sequence[JobId]) -> list[Job]:
        """Two round trips for any number of jobs; ids that are gone are left out."""
        with translated():
            hashes = self._hashes([f"{_PREFIX}job:{job_id}" for job_id in job_ids])
            known = [(job_id, job) for job_id, job in zip(job_ids, hashes, strict=True) if job]
            ids = [[render_id(job_id, i) for i in range(int(job["n"]))] for job_id, job in known]
            renders = iter(self._hashes([f"{_PREFIX}render:{render}" for group in ids for render in group]))
        return [
            codec.job_of(job_id, job, [codec.render_of(render, next(renders)) for render in group])
            for (job_id, job), group in zip(known, ids, strict=True)
        ]

    def _hashes(self, keys: Sequence[str]) -> list[dict[str, str]]:
        pipeline = self._client.pipeline(transaction=False)
        for key in keys:
            pipeline.hgetall(key)
        return pipeline.execute()
