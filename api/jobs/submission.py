"""Creates and retries jobs from validated requests.

The routes of all three API formats (the service's own, OpenAI's and Z.ai's) use this module.
"""

from datetime import datetime

import structlog
from flask import request
from structlog.contextvars import bind_contextvars

from api.bodies.incoming import release
from api.edge import idempotency, request_ids
from api.edge.authentication import caller, check_admission, check_any_model, check_model, use_pixels
from api.edge.request_metrics import count_submission
from api.services import services
from shared.hints.queues import Queue
from shared.ids import JobId
from shared.intake.request import Body
from shared.jobs.job import ClientName, Job
from shared.jobs.states import Stage
from shared.models.routes import ANY_ROUTE

log = structlog.get_logger()

_LARGE_BYTES = 64 * 1024


def submit(body: Body, name: ClientName | None = None, job_id: JobId | None = None) -> Job:
    """Creates a job and returns it once it is stored on disk. With a repeated Idempotency-Key, returns the first job.

    Raises an error for overload or a full queue before anything is stored. `name` has the id that the client chose for
    the job, if any. If an equal request used this client id before, returns the job of that request. Raises
    `ClientIdTaken` if a different request used it. Callers pass `job_id` if they need the job's id before the job
    exists.
    """
    earlier = idempotency.existing_job()
    if earlier:
        bind_contextvars(job_id=earlier.job_id)
        return earlier
    deps = services()
    if not body.request.prior:
        check_model(body.request.model)
    check_admission(body.request.n)
    source = deps.intake.source_of(body.request, caller().tenant)
    spec = deps.intake.spec(body, caller().tenant, source)
    use_pixels(spec.n * spec.settings.width_px * spec.settings.height_px)
    new_id = job_id or idempotency.reserved_job_id()
    prior, origin = source.prior if source else None, request_ids.origin()
    scope = idempotency.scope()
    route = deps.catalogue.route(spec.model, new_id) if prior is None else ANY_ROUTE
    job = deps.store.submit(new_id, spec, name=name, source=prior, origin=origin, idempotency=scope, route=route)
    bind_contextvars(job_id=job.job_id)  # the request's access log line has the job id as well
    if job.job_id == new_id:  # otherwise a job of the same name existed before
        count_submission(spec.priority)
        log.info("job.accepted", **spec.facts)
    idempotency.job_recorded()
    deps.admission.count(spec.n)
    release()
    return job


def refuse_before_reading() -> None:
    """Raises an error if the service is overloaded or its queue is full. It is called before a body over 64 KiB is
    read.

    Does nothing if the request has an Idempotency-Key, since a stored response or a job may exist for the key.
    """
    length = request.content_length
    if (length is None or length > _LARGE_BYTES) and not idempotency.reserved_id():
        check_any_model()
        check_admission(1)


def retry(job: Job, deadline: datetime | None) -> Job:
    """Retries an ended job and returns it. A job that still runs stays unchanged.

    The same limits apply as for a new job. Raises `ForbiddenModel`, `JobNotRetryable`, `DeadlineOver` and
    `TenantLimitReached`, and an error if the service is overloaded.
    """
    deps, n = services(), job.num_missing
    if job.status.is_final and n:
        check_model(job.spec.model)
        check_admission(n)
        use_pixels(n * job.spec.settings.width_px * job.spec.settings.height_px)
    revived = deps.store.retry(job, deadline, request_ids.origin())
    bind_contextvars(job_id=job.job_id)
    if job.status.is_final and n:
        log.info("job.retried", num_renders=n)
    deps.admission.count(n)
    for stage in Stage:
        if any(render.state is stage.waiting for render in revived.renders):
            deps.hints.send_one(Queue(stage.value))
    return revived
