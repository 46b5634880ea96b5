"""Creates, reads, lists, cancels, retries and deletes jobs. Leases of renders are in `shared.store.renders.leases`."""

import json
from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass
from datetime import datetime
from typing import cast

from shared.access.limits import Load
from shared.errors import (
    ClientIdTaken,
    DeadlineOver,
    JobNotFinal,
    JobNotFound,
    JobNotRetryable,
    PriorNotFound,
    StoreUnavailable,
    TenantBeingErased,
)
from shared.hints.message import HintMessage
from shared.hints.queues import Queue
from shared.ids import JobId, RenderId, TenantId
from shared.jobs.cancellation import NOT_FOUND, Cancellation, CancelOutcome
from shared.jobs.job import ClientName, Job, PriorSource
from shared.jobs.spec import JobSpec
from shared.jobs.states import JobStatus, Stage
from shared.jobs.token_grid import Prior
from shared.models.routes import ANY_ROUTE, Route
from shared.schedule.cost import DEFAULT_COSTS, CostModel
from shared.store.core.connect import Client, translated
from shared.store.core.event_ids import order
from shared.store.core.scripts import PRIMARY_ALONE, Replicas, Scripts
from shared.store.jobs import codec
from shared.store.jobs.cancellations import cancel_jobs
from shared.store.jobs.filter import ANY_JOB, JobFilter
from shared.store.jobs.kept import KeptJobs, Objects
from shared.store.jobs.lists import JobLists, Scanned
from shared.store.jobs.records import JobRecords
from shared.store.jobs.submission import LineSubmission, first_queue, over_budget, submission, too_many
from shared.tracing.origin import Origin

_PREFIX = "gridpress:"
_NO_HINTS: Mapping[Queue, HintMessage] = {}


@dataclass(frozen=True, slots=True)
class JobEvent:
    """One event of a job's event stream. `events(after=event_id)` returns the events that follow this one.

    `event_id` is '' for progress, which can't be resumed: a reader gets the newest.
    """

    event_id: str
    type: str
    data: Mapping[str, object]


class JobStore:
    """Creates, reads and changes jobs for clients. Every method raises `StoreUnavailable` when the store does not
    answer.
    """

    def __init__(
        self,
        client: Client,
        replicas: Replicas = PRIMARY_ALONE,
        hints: Mapping[Queue, HintMessage] = _NO_HINTS,
        costs: CostModel = DEFAULT_COSTS,
        *,
        checks_prompts: bool = False,
        objects: Objects | None = None,
    ) -> None:
        """Creates a client of the store. `costs` is the model that estimates the cost of renders. `checks_prompts` says
        whether a content hook must allow the prompt of every new job before its first stage.

        `hints` has for each queue the Celery message that wakes a worker. For a new job, `submit` sends this message to
        the queue in which the job waits first, unless the queue has enough of them.

        With `objects`, jobs that have shrunk to index entries are read as well, from their manifests. A client without
        it knows only jobs whose records are in the store.
        """
        self._kept = KeptJobs(client, objects) if objects else None
        self._costs = costs
        self._checks_prompts = checks_prompts
        self._client = client
        self._replicas = replicas
        self._hints = hints
        self._scripts = Scripts(client)
        self._records = JobRecords(client)
        self._lists = JobLists(client, self._records, self._kept)

    def submit(
        self,
        job_id: JobId,
        spec: JobSpec,
        *,
        name: ClientName | None = None,
        source: PriorSource | None = None,
        origin: Origin | None = None,
        idempotency: str = "",
        route: Route = ANY_ROUTE,
    ) -> Job:
        """Creates a job and its renders with one script, and returns the job. A repeated call with the same id changes
        nothing.

        `name` is the client's own id for the job. If an earlier, identical request had the same `name`, returns that
        request's job. `source` has a token grid: all renders then start from it and wait for the DiT. `idempotency` is
        the scope of the request's `Reservation`, or ''. The script that creates the job also records it under that
        Idempotency-Key. `route` has the model revision that the job goes to, unless it has a `source`.

        Returns once the store has the job on disk and on the required replicas. Raises `ClientIdTaken` if a different
        request had the same `name`, and `TenantLimitReached` when too many of the tenant's renders would wait, or
        when it would exceed a budget. If a condition image was deleted before the job was created, raises
        `PriorNotFound` for a re-render, and else `StoreUnavailable`: the request may be sent again. Raises
        `TenantBeingErased`.
        """
        options = codec.submission_options(
            spec,
            name,
            source,
            origin=origin,
            costs=self._costs,
            idempotency=idempotency,
            checks_prompt=self._checks_prompts,
            route=route,
        )
        queue = first_queue(spec, source)
        # Delivery workers look for checks of prompts by themselves. Enhancements come before the checks.
        has_hint = not self._checks_prompts or queue is Queue.ENHANCE
        hint = self._hints.get(queue) if has_hint else None
        answer = self._scripts.run_replicated(self._replicas, "submit", *submission(job_id, spec, options, hint))
        match answer:
            case ["full", num_queued, most]:
                raise too_many(num_queued, most, spec.n)
            case ["spent", *values]:
                raise over_budget(spec.n, *values)
            case ["taken"]:
                assert name
                raise ClientIdTaken(name.client_id)
            case ["stands", existing]:
                return self.job(JobId(existing), spec.tenant)
            case ["erasing"]:
                raise TenantBeingErased
            case ["gone"]:
                raise _inputs_gone(spec)
        _, created_ms, delete_after_ms = answer
        kept = codec.kept_for(spec, delete_after_ms)
        return codec.new_job(job_id, kept, created_ms, source, origin, is_canary=route.is_canary and not source)

    def submit_lines(self, lines: Sequence[LineSubmission]) -> int:
        """Creates the jobs of batch lines in one round trip to the store, each as `submit` does. A line that is a job
        already or was cancelled is left unchanged.

        If the store refuses a line because of the tenant's limit, returns the number of lines before this line.
        Otherwise returns the number of all lines. Raises `StoreUnavailable` if a condition image of a line was deleted
        meanwhile. The caller may then prepare the lines again. Raises `TenantBeingErased`.
        """
        with translated(), self._client.pipeline(transaction=False) as pipeline:
            for line in lines:
                options = codec.submission_options(
                    line.spec,
                    None,
                    line.source,
                    line.job,
                    line.origin,
                    costs=self._costs,
                    checks_prompt=self._checks_prompts,
                    route=line.route,
                )
                self._scripts.queue(pipeline, "submit", *submission(line.job_id, line.spec, options))
            answers = pipeline.execute()
        if any(answer[0] == "erasing" for answer in answers):
            raise TenantBeingErased
        if gone := [line.spec for line, answer in zip(lines, answers, strict=True) if answer[0] == "gone"]:
            raise StoreUnavailable(str(_inputs_gone(gone[0])))
        return next((index for index, answer in enumerate(answers) if answer[0] in ("full", "spent")), len(lines))

    def job(self, job_id: JobId, tenant: TenantId) -> Job:
        """Returns the tenant's job with this id. Raises `JobNotFound` for an unknown id and for a job of another
        tenant.
        """
        found = self._records.read([job_id], is_strict=True)
        if not found and self._kept:
            found = self._kept.read([job_id], tenant, is_strict=True)
        if not found or found[0].spec.tenant != tenant:
            raise JobNotFound(f"no job {job_id}")
        return found[0]

    def job_of_any_tenant(self, job_id: JobId) -> Job:
        """Returns the job without checking its tenant, for the service's own processes. Raises `JobNotFound`."""
        found = self._records.read([job_id], is_strict=True)
        if found:
            return found[0]
        if self._kept:
            return self._kept.read_of_any_tenant(job_id)
        raise JobNotFound(f"no job {job_id}")

    def existing(self, job_ids: Sequence[JobId]) -> list[Job]:
        """Returns those of the jobs with these ids that are in the store, of any tenant and in the same order. Takes
        two round trips to the store.
        """
        return self._records.read(job_ids)

    def owned(self, job_ids: Sequence[JobId], tenant: TenantId) -> dict[JobId, Job]:
        """Returns those of the jobs with these ids that belong to the tenant, by their ids. Takes at most three round
        trips to the store.
        """
        found = {job.job_id: job for job in self._lists.read(job_ids, tenant)}
        return {job_id: job for job_id, job in found.items() if job.spec.tenant == tenant}

    def load(self, tenant: TenantId) -> Load:
        """Returns two counts of a tenant's renders: the queued renders and the running renders."""
        with translated():
            queued, running = self._client.hmget(f"{_PREFIX}load:{tenant}", ["queued", "running"])
        return Load(int(queued or 0), int(running or 0))

    def stored_bytes(self, tenant: TenantId) -> int:
        """Returns the bytes that a tenant has stored: pictures of jobs in the store, condition images and files."""
        with translated():
            found = cast("str | None", self._client.get(f"{_PREFIX}stored:{tenant}"))
        return int(found or 0)

    def jobs(self, tenant: TenantId, filters: JobFilter = ANY_JOB, *, limit: int, after: JobId | None) -> list[Job]:
        """Returns a page of the tenant's jobs that pass `filters`, newest first unless `filters` set another order.

        `after` is the last id of the previous page. A filter that reads jobs needs `scan` instead.
        """
        return self._lists.page(tenant, filters, limit=limit, after=after)

    def scan(self, tenant: TenantId, filters: JobFilter, *, limit: int, after: JobId | None) -> Scanned:
        """Returns up to `limit` of the tenant's jobs that pass `filters`, by reading a limited number of jobs.

        `after` is `next` of the previous call. A result may have fewer jobs than `limit`, or none, although others
        follow: `next` is None only at the end of the list.
        """
        return self._lists.scan(tenant, filters, limit=limit, after=after)

    def ids(self, tenant: TenantId, filters: JobFilter, limit: int, after: JobId | None) -> list[JobId]:
        """Returns up to `limit` ids of the tenant's jobs that pass `filters` by status, time and batch, in order. Jobs
        that are only index entries are left out.

        `after` is the last id of the previous page.
        """
        return JobLists(self._client, self._records, None).ids(tenant, filters, limit, after)

    def prior(self, render_id: RenderId) -> Prior | None:
        """Returns the token grid of a render that has passed AR and has no picture yet. Returns None for any other
        render.
        """
        with translated():
            found = cast("str | None", self._client.hget(f"{_PREFIX}render:{render_id}", "prior"))
        return codec.decode_prior(found) if found else None

    def cancel(self, job_id: JobId, tenant: TenantId) -> Job:
        """Cancels every render of the job that has not ended, and returns the job. If the job has ended, nothing
        changes.

        Raises `JobNotFound`.
        """
        job = self.job(job_id, tenant)
        self._scripts.run("cancel", job.job_id, tenant)
        return self.job(job_id, tenant)

    def cancel_all(
        self, job_ids: Sequence[JobId], tenant: TenantId, statuses: Set[JobStatus] = frozenset()
    ) -> list[Cancellation]:
        """Cancels the tenant's jobs with these ids, as `cancel_jobs` describes. Returns what happened to each."""
        found = cancel_jobs(self._client, self._scripts, job_ids, tenant, statuses)
        unknown = [job_id for job_id, each in zip(job_ids, found, strict=True) if each is NOT_FOUND]
        ended = self._kept.statuses(unknown, tenant) if self._kept else {}
        return [
            Cancellation(CancelOutcome.ALREADY_ENDED, ended[job_id]) if job_id in ended else each
            for job_id, each in zip(job_ids, found, strict=True)
        ]

    def retry(self, job: Job, deadline: datetime | None, origin: Origin | None = None) -> Job:
        """Queues the missing pictures of a job that has ended, and returns the job. Its finished pictures are kept.

        `deadline` and `origin` replace those of the job. A repeated call changes nothing while the job runs. Raises
        `JobNotFound`, `JobNotRetryable`, `DeadlineOver` and `TenantLimitReached`.
        """
        spec = job.spec.model_copy(update={"deadline": deadline})
        *_, deadline_ms = codec.limits_ms(spec)
        handicap_ms = spec.priority.handicap_s * 1000
        caused_by = origin.as_text() if origin else ""
        args = (job.job_id, spec.tenant, spec.model_dump_json(exclude_none=True), deadline_ms, handicap_ms, caused_by)
        match self._scripts.run_replicated(self._replicas, "retry", *args):
            case ["refused", status]:
                raise JobNotRetryable(job.job_id, status)
            case ["late"]:
                raise DeadlineOver(f"the deadline of {job.job_id} is over: give a new one, or null for none")
            case ["full", num_queued, most]:
                raise too_many(num_queued, most, job.num_missing)
            case ["unknown"]:
                raise JobNotRetryable(job.job_id, self.job(job.job_id, spec.tenant).status, is_retention_over=True)
        return self.job(job.job_id, spec.tenant)

    def delete(self, job_id: JobId, tenant: TenantId) -> None:
        """Deletes a job that has ended: its records, or its index entry. Upkeep deletes its objects later.

        Raises `JobNotFound` and `JobNotFinal`.
        """
        match self._scripts.run_replicated(self._replicas, "delete", job_id, tenant):
            case 0:
                if not (self._kept and self._kept.delete(job_id, tenant)):
                    raise JobNotFound(f"no job {job_id}")
            case 2:
                raise JobNotFinal(f"{job_id} has not ended: cancel it first")

    def named(self, client_id: str, tenant: TenantId) -> JobId | None:
        """Returns the id of the job to which the tenant gave its own id `client_id`, or None if there is
        no such job.
        """
        with translated():
            return cast("JobId | None", self._client.hget(f"{_PREFIX}client_ids:{tenant}", client_id))

    def all_named(self, client_ids: Sequence[str], tenant: TenantId) -> dict[str, JobId]:
        """Returns the ids of the jobs to which the tenant gave these ids of its own. Takes one round trip to the store,
        or none without ids.
        """
        if not client_ids:
            return {}
        with translated():
            found = cast("list[JobId | None]", self._client.hmget(f"{_PREFIX}client_ids:{tenant}", list(client_ids)))
        return {name: job_id for name, job_id in zip(client_ids, found, strict=True) if job_id}

    def fingerprint(self, job_id: JobId) -> str | None:
        """Returns the fingerprint of the request that created the job. Returns None if the client gave the job no id of
        its own.
        """
        with translated():
            return cast("str | None", self._client.hget(f"{_PREFIX}job:{job_id}", "fingerprint"))

    def status(self, job_id: JobId) -> JobStatus:
        """Returns only the status of a job, for callers that poll. Raises `JobNotFound`."""
        with translated():
            status = cast("str | None", self._client.hget(f"{_PREFIX}job:{job_id}", "status"))
        if status is None:
            raise JobNotFound(f"no job {job_id}")
        return JobStatus(status)

    def events(self, job_id: JobId, *, after: str) -> list[JobEvent]:
        """Returns the events of a job after the event id `after`; "0" returns all stored events.

        A watch (shared/store/jobs/watch.py) says when to call this again.
        """
        with translated(), self._client.pipeline(transaction=True) as pipeline:
            pipeline.xread({f"{_PREFIX}events:{job_id}": after})
            pipeline.get(f"{_PREFIX}past_events:{job_id}")
            answer, past = pipeline.execute()
        streams = cast("list[tuple[str, list[tuple[str, dict[str, str]]]]]", answer or [])
        entries = streams[0][1] if streams else []
        return [
            *_past_events(past or "", after),
            *(JobEvent(event_id, fields["type"], json.loads(fields["data"])) for event_id, fields in entries),
        ]

    def progress(self, job: Job) -> list[JobEvent]:
        """Returns an event `render.progress` for each running render of a job that has finished steps.

        The store keeps only the newest progress, so these events have no id.
        """
        with translated(), self._client.pipeline(transaction=False) as pipeline:
            for render in job.renders:
                pipeline.hmget(f"{_PREFIX}render:{render.render_id}", ["state", "done", "total"])
            found = pipeline.execute()
        running = {stage.running: str(stage) for stage in Stage}
        return [
            _progress(render.index, running[state], int(done), int(total))
            for render, (state, done, total) in zip(job.renders, found, strict=True)
            if state in running and done and total
        ]

    def check(self) -> None:
        """Checks that the store answers. Raises `StoreUnavailable` otherwise."""
        with translated():
            self._client.ping()


def _inputs_gone(spec: JobSpec) -> PriorNotFound | StoreUnavailable:
    """Returns the error for a job whose condition images were deleted before it was created."""
    if spec.prior:
        return PriorNotFound(f"{spec.prior.job_id} was deleted")
    return StoreUnavailable("the condition images of this request are no longer stored: send the request again")


def _progress(index: int, stage: str, done: int, total: int) -> JobEvent:
    return JobEvent("", "render.progress", {"index": index, "stage": stage, "done": done, "total": total})


def _past_events(text: str, after: str) -> list[JobEvent]:
    """Returns the events of an ended job after the event id `after`. `fold_events` of events.lua wrote `text`."""
    lines = (line.split(" ", 2) for line in text.split("\n") if line)
    events = (JobEvent(event_id, kind, json.loads(data)) for event_id, kind, data in lines)
    return [event for event in events if order(event.event_id) > order(after)]
