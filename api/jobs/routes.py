"""The routes of jobs: create, read, list, cancel, retry, delete."""

from typing import Any

from flask import Blueprint, request

from api.edge.callers import caller
from api.edge.idempotency import request_fingerprint
from api.edge.proxies import base_url
from api.jobs.body import read_body, read_retry
from api.jobs.names import checked
from api.jobs.schemas import ListQuery, list_fields
from api.jobs.submission import refuse_before_reading, retry, submit
from api.responses.listing import told_each
from api.responses.prefer import preferences
from api.responses.waiting import until_final
from api.server.incoming import takes_pictures
from api.services import services
from shared.errors import ClientIdTaken, StoreUnavailable
from shared.ids import JobId
from shared.intake.fields import validated
from shared.jobs.job import ClientName, Job
from shared.jobs.responses import job_answer
from shared.schedule.throughput import NO_OUTLOOK, Outlook

jobs = Blueprint("jobs", __name__, url_prefix="/v1/jobs")

Answer = dict[str, Any]
Reply = tuple[Answer, int, dict[str, str]]

_RETRY_AFTER_S = 1


@jobs.post("")
@takes_pictures
def create() -> Reply:
    """Creates a job. Returns 202 once it is on the store's disk, or 201 when it ended within the requested wait."""
    refuse_before_reading()
    return _reply(submit(read_body(request)), ended=201, going_on=202)


@jobs.put("/<job_id>")
@takes_pictures
def create_named(job_id: str) -> Reply:
    """Creates a job under the caller's own id. A repeated request returns the same job."""
    house, client_id, fingerprint = services(), checked(job_id), request_fingerprint()
    standing = house.store.named(client_id, caller().tenant)
    if standing is None:
        return _reply(submit(read_body(request), ClientName(client_id, fingerprint)), ended=201, going_on=202)
    if house.store.fingerprint(standing) != fingerprint:
        raise ClientIdTaken(client_id)
    return _reply(house.store.job(standing, caller().tenant), ended=200, going_on=200)


@jobs.get("")
def index() -> Answer:
    """Returns a page of jobs, newest first by default. Reads one more than asked for, to know whether there is another
    page.
    """
    query = validated(ListQuery, list_fields(request.args))
    found = services().store.jobs(caller().tenant, query.filters, limit=query.limit + 1, after=query.after)
    page = found[: query.limit]
    has_more = len(found) > query.limit
    told = told_each("job", ((job.job_id, job) for job in page), _answer)
    return {"data": told, "has_more": has_more, "next": page[-1].job_id if has_more else None}


@jobs.get("/<job_id>")
def read(job_id: str) -> Reply:
    """Returns one job, with its place in the queue while it waits. `Prefer: wait=N` holds the response until it has
    ended.
    """
    return _reply(_job(job_id), ended=200, going_on=200)


@jobs.post("/<job_id>/cancel")
def cancel(job_id: str) -> Answer:
    """Cancels a job and returns it; one that has ended is unchanged."""
    return _answer(services().store.cancel(JobId(job_id), caller().tenant))


@jobs.post("/<job_id>/retry")
def retry_job(job_id: str) -> Reply:
    """Retries a failed, expired or cancelled job: finished pictures are kept, the others are rendered again.

    Returns 202 while the job runs, also when an earlier retry started it.
    """
    asked, job = read_retry(request), _job(job_id)
    deadline = asked.deadline if "deadline" in asked.model_fields_set else job.spec.deadline
    return _reply(retry(job, deadline), ended=200, going_on=202)


@jobs.delete("/<job_id>")
def delete(job_id: str) -> tuple[str, int]:
    """Deletes a job that has ended (204). Its pictures, previews, grids and manifests are deleted later."""
    services().store.delete(JobId(job_id), caller().tenant)
    return "", 204


def _job(job_id: str) -> Job:
    return services().store.job(JobId(job_id), caller().tenant)


def _reply(job: Job, *, ended: int, going_on: int) -> Reply:
    """Waits as long as the caller prefers. Returns the job with status `ended` if it has ended, else `going_on`.

    It holds the place in the queue and the expected end, also for a plain 202.
    """
    preferred = preferences()
    if preferred.wait_s:
        job = until_final(job, preferred.wait_s)
    is_looked_at = bool(preferred.wait_s) or going_on == 200
    is_writable = not is_looked_at or job.status.is_final or services().object_writes.succeed()
    answer, fields = _answer(job, _outlook(job), is_writable=is_writable), preferred.applied
    status = ended if job.status.is_final and is_looked_at else going_on
    if status in (201, 202):
        fields["Location"] = answer["links"]["self"]
    if status == 202:
        fields["Retry-After"] = str(_RETRY_AFTER_S)
    return answer, status, fields


def _outlook(job: Job) -> Outlook:
    """Returns what to expect of the job. A store that fails now must not hide that the job was accepted."""
    try:
        return services().pace.outlook(job)
    except StoreUnavailable:
        return NO_OUTLOOK


def _answer(job: Job, outlook: Outlook = NO_OUTLOOK, *, is_writable: bool = True) -> Answer:
    settings = services().settings
    return job_answer(job, base_url(), settings.served_model_name, outlook, is_writable=is_writable)
