"""Turns a validated body into a job in the store. Every API that makes jobs uses it."""

from datetime import datetime

import structlog
from flask import request
from structlog.contextvars import bind_contextvars

from api.edge import idempotency, request_ids
from api.edge.callers import caller, refuse_full_queue, use_pixels
from api.edge.request_metrics import count_submission
from api.server.incoming import release
from api.services import services
from shared.hints.queues import Queue
from shared.ids import JobId
from shared.intake.request import Body
from shared.jobs.job import ClientName, Job
from shared.jobs.states import Stage

log = structlog.get_logger()

_LARGE_BYTES = 64 * 1024


def submit(body: Body, name: ClientName | None = None, job_id: JobId | None = None) -> Job:
    """Creates the job and returns it once it is on the store's disk. A repeated Idempotency-Key returns the first job.

    Overload and a full queue are refused before anything is stored. A `name` in use returns its job if the request is
    the same, else raises `ClientIdTaken`. `job_id` is given by callers that need the id before.
    """
    standing = idempotency.standing_job()
    if standing:
        bind_contextvars(job_id=standing.job_id)
        return standing
    house = services()
    house.capacity.check()
    refuse_full_queue(body.request.n)
    source = house.intake.source_of(body.request, caller().tenant)
    spec = house.intake.spec(body, caller().tenant, source)
    use_pixels(spec.n * spec.settings.width_px * spec.settings.height_px)
    new_id = job_id or idempotency.reserved_job_id()
    prior, origin = source.prior if source else None, request_ids.origin()
    job = house.store.submit(new_id, spec, name=name, source=prior, origin=origin)
    bind_contextvars(job_id=job.job_id)  # for the line of the request, too
    if job.job_id == new_id:  # else it stood before, under the same name
        count_submission(spec.priority)
        log.info("job.accepted", **spec.facts)
    idempotency.job_stands()
    house.capacity.count(spec.n)
    release()
    return job


def refuse_before_reading() -> None:
    """Refuses a large body before reading it, when no job would be accepted and no kept response exists."""
    length = request.content_length
    if (length is None or length > _LARGE_BYTES) and not idempotency.reserved_id():
        services().capacity.check()
        refuse_full_queue(1)


def retry(job: Job, deadline: datetime | None) -> Job:
    """Retries the job and returns it; one that runs is unchanged. Limits count as for new work.

    Raises `JobNotRetryable`, `DeadlineOver` and `TenantLimitReached`.
    """
    house, n = services(), job.num_missing
    if job.status.is_final and n:
        house.capacity.check()
        refuse_full_queue(n)
        use_pixels(n * job.spec.settings.width_px * job.spec.settings.height_px)
    revived = house.store.retry(job, deadline, request_ids.origin())
    bind_contextvars(job_id=job.job_id)
    if job.status.is_final and n:
        log.info("job.retried", num_renders=n)
    house.capacity.count(n)
    for stage in Stage:
        if any(render.state is stage.waiting for render in revived.renders):
            house.hints.send_one(Queue(stage.value))
    return revived
