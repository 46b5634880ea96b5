"""Creates, reads, lists, cancels, retries and deletes jobs. Leases are in `shared.store.renders.leases`."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import cast

from shared.access.limits import Load
from shared.errors import ClientIdTaken, DeadlineOver, JobNotFinal, JobNotFound, JobNotRetryable
from shared.hints.message import HintMessage
from shared.hints.queues import Queue
from shared.ids import JobId, RenderId, TenantId
from shared.jobs.job import ClientName, Job, PriorSource
from shared.jobs.spec import JobSpec
from shared.jobs.states import JobStatus
from shared.jobs.token_grid import Prior
from shared.schedule.cost import DEFAULT_COSTS, CostModel
from shared.store.core.connect import Client, translated
from shared.store.core.record_lists import filled_page
from shared.store.core.scripts import PRIMARY_ALONE, Replicas, Scripts
from shared.store.jobs import codec
from shared.store.jobs.filter import ANY_JOB, JobFilter
from shared.store.jobs.records import JobRecords
from shared.store.jobs.submission import LineSubmission, first_queue, submission, too_many
from shared.tracing.origin import Origin

_PREFIX = "gridpress:"
_NO_HINTS: Mapping[Queue, HintMessage] = {}


@dataclass(frozen=True, slots=True)
class JobEvent:
    """One entry of a job's event stream. `event_id` is the cursor for `events(after=...)`."""

    event_id: str
    type: str
    data: Mapping[str, object]


class JobStore:
    """Jobs as clients see them. Every method raises `StoreUnavailable` when the store does not answer."""

    def __init__(
        self,
        client: Client,
        replicas: Replicas = PRIMARY_ALONE,
        hints: Mapping[Queue, HintMessage] = _NO_HINTS,
        costs: CostModel = DEFAULT_COSTS,
    ) -> None:
        """`hints` are sent with the jobs that `submit` makes, while the queue of their first stage is short of
        hints. `costs` says what their renders cost.
        """
        self._costs = costs
        self._client = client
        self._replicas = replicas
        self._hints = hints
        self._scripts = Scripts(client)
        self._records = JobRecords(client)

    def submit(
        self,
        job_id: JobId,
        spec: JobSpec,
        *,
        name: ClientName | None = None,
        source: PriorSource | None = None,
        origin: Origin | None = None,
    ) -> Job:
        """Creates the job and its renders in one call and returns it. A repeated call with the same id changes nothing.

        Nor does one with a `name` that stands for the same request. With a `source` all renders start from its token
        grid and wait for the DiT. Returns once the store has the job on disk and on the required replicas. Raises
        `ClientIdTaken`, and `TenantLimitReached` when too many of the tenant's renders would wait.
        """
        options = codec.submission_options(spec, name, source, origin=origin, costs=self._costs)
        hint = self._hints.get(first_queue(spec, source))
        answer = self._scripts.run_replicated(self._replicas, "submit", *submission(job_id, spec, options, hint))
        match answer:
            case ["full", num_queued, most]:
                raise too_many(num_queued, most, spec.n)
            case ["taken"]:
                assert name
                raise ClientIdTaken(name.client_id)
            case ["stands", standing]:
                return self.job(JobId(standing), spec.tenant)
        _, created_ms = answer
        return codec.new_job(job_id, spec, created_ms, source, origin)

    def submit_lines(self, lines: Sequence[LineSubmission]) -> int:
        """Makes jobs of batch lines in one round trip, each as `submit` does. Lines that no longer wait are left
        unchanged.

        Returns the number of lines before the first one that a limit of its tenant stops.
        """
        with translated(), self._client.pipeline(transaction=False) as pipeline:
            for line in lines:
                options = codec.submission_options(
                    line.spec, None, line.source, line.job, line.origin, costs=self._costs
                )
                self._scripts.queue(pipeline, "submit", *submission(line.job_id, line.spec, options))
            answers = pipeline.execute()
        return next((index for index, answer in enumerate(answers) if answer[0] == "full"), len(lines))

    def job(self, job_id: JobId, tenant: TenantId) -> Job:
        """Returns a job. Raises `JobNotFound` for an unknown id and for another tenant's."""
        job = self.job_of_any_tenant(job_id)
        if job.spec.tenant != tenant:
            raise JobNotFound(f"no job {job_id}")
        return job

    def job_of_any_tenant(self, job_id: JobId) -> Job:
        """Returns the job without checking its tenant, for the service's own processes. Raises `JobNotFound`."""
        found = self._records.read([job_id], is_asked_for=True)
        if not found:
            raise JobNotFound(f"no job {job_id}")
        return found[0]

    def standing(self, job_ids: Sequence[JobId]) -> list[Job]:
        """Returns those of the jobs that are in the store, of any tenant, in the same order. Takes two round trips."""
        return self._records.read(job_ids)

    def load(self, tenant: TenantId) -> Load:
        """Returns how many renders of a tenant are queued and running."""
        with translated():
            queued, running = self._client.hmget(f"{_PREFIX}load:{tenant}", ["queued", "running"])
        return Load(int(queued or 0), int(running or 0))

    def jobs(self, tenant: TenantId, filters: JobFilter = ANY_JOB, *, limit: int, after: JobId | None) -> list[Job]:
        """Returns a page of jobs, newest first unless `filters` set another order. `after` is the last id of the page
        before.
        """
        return filled_page(
            limit, after, lambda last, count: self._ids(tenant, filters, count, last), self._records.read
        )

    def _ids(self, tenant: TenantId, filters: JobFilter, limit: int, after: JobId | None) -> list[JobId]:
        keys = [f"{_PREFIX}jobs:{tenant}{suffix}" for suffix in filters.suffixes]
        first, last = filters.bounds(after)
        with translated():
            pipeline = self._client.pipeline(transaction=True)  # a job is in one list at a time
            for key in keys:
                if filters.is_oldest_first:
                    pipeline.zrangebylex(key, first, last, start=0, num=limit)
                else:
                    pipeline.zrevrangebylex(key, last, first, start=0, num=limit)
            found = {job_id for ids in pipeline.execute() for job_id in ids}
        return sorted(found, reverse=not filters.is_oldest_first)[:limit]

    def prior(self, render_id: RenderId) -> Prior | None:
        """Returns the token grid of a render that has passed AR and has no picture yet; None for any other."""
        with translated():
            found = cast("str | None", self._client.hget(f"{_PREFIX}render:{render_id}", "prior"))
        return codec.decode_prior(found) if found else None

    def cancel(self, job_id: JobId, tenant: TenantId) -> Job:
        """Cancels every render that is not final and returns the job; a final job is unchanged.

        Raises `JobNotFound`.
        """
        job = self.job(job_id, tenant)
        self._scripts.run("cancel", job_id, tenant, *(render.render_id for render in job.renders))
        return self.job(job_id, tenant)

    def retry(self, job: Job, deadline: datetime | None, origin: Origin | None = None) -> Job:
        """Queues the missing pictures of a job that ended without them, and returns the job. Finished pictures are
        kept. `origin` is the job's from then on.

        A repeated call changes nothing while the job runs. Raises `JobNotFound`, `JobNotRetryable`, `DeadlineOver` and
        `TenantLimitReached`.
        """
        spec = job.spec.model_copy(update={"deadline": deadline})
        *_, deadline_ms = codec.limits_ms(spec)
        handicap_ms = spec.priority.handicap_s * 1000
        caused_by = origin.as_text() if origin else ""
        args = (job.job_id, spec.tenant, spec.model_dump_json(), deadline_ms, handicap_ms, caused_by)
        match self._scripts.run_replicated(self._replicas, "retry", *args):
            case ["refused", status]:
                raise JobNotRetryable(job.job_id, status)
            case ["late"]:
                raise DeadlineOver(f"the deadline of {job.job_id} is over: give a new one, or null for none")
            case ["full", num_queued, most]:
                raise too_many(num_queued, most, job.num_missing)
        return self.job(job.job_id, spec.tenant)

    def delete(self, job_id: JobId, tenant: TenantId) -> None:
        """Forgets a final job; upkeep deletes its objects. Raises `JobNotFound` and `JobNotFinal`."""
        match self._scripts.run_replicated(self._replicas, "delete", job_id, tenant):
            case 0:
                raise JobNotFound(f"no job {job_id}")
            case 2:
                raise JobNotFinal(f"{job_id} has not ended: cancel it first")

    def named(self, client_id: str, tenant: TenantId) -> JobId | None:
        """Returns the job to which this tenant gave the name `client_id`; None without one."""
        with translated():
            return cast("JobId | None", self._client.hget(f"{_PREFIX}client_ids:{tenant}", client_id))

    def fingerprint(self, job_id: JobId) -> str | None:
        """Returns the fingerprint of the request that created the job; None for a job without a client's name."""
        with translated():
            return cast("str | None", self._client.hget(f"{_PREFIX}job:{job_id}", "fingerprint"))

    def status(self, job_id: JobId) -> JobStatus:
        """Returns the status alone, for callers that poll. Raises `JobNotFound`."""
        with translated():
            status = cast("str | None", self._client.hget(f"{_PREFIX}job:{job_id}", "status"))
        if status is None:
            raise JobNotFound(f"no job {job_id}")
        return JobStatus(status)

    def events(self, job_id: JobId, *, after: str) -> list[JobEvent]:
        """Returns events after the id `after`; "0" returns all that are kept. `watch` tells when to read again.
        """
        key = f"{_PREFIX}events:{job_id}"
        with translated():
            answer = self._client.xread({key: after})
        streams = cast("list[tuple[str, list[tuple[str, dict[str, str]]]]]", answer or [])
        entries = streams[0][1] if streams else []
        return [JobEvent(event_id, fields["type"], json.loads(fields["data"])) for event_id, fields in entries]

    def check(self) -> None:
        """Raises `StoreUnavailable` unless the store answers."""
        with translated():
            self._client.ping()
