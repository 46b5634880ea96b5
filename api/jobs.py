"""The routes of jobs: create, read, list, cancel, retry, delete."""

from typing import Any

from flask import Blueprint, request

from api.body import read_body, read_retry
from api.callers import caller
from api.idempotency import request_fingerprint
from api.incoming import takes_pictures
from api.job_names import checked
from api.listing import told_each
from api.prefer import preferences
from api.schemas import ListQuery, list_fields
from api.services import services
from api.submission import refuse_before_reading, retry, submit
from api.waiting import until_final
from shared.answers import job_answer
from shared.errors import ClientIdTaken
from shared.ids import JobId
from shared.intake.fields import validated
from shared.jobs import ClientName, Job
from shared.pace import QueuePlace

jobs = Blueprint("jobs", __name__, url_prefix="/v1/jobs")

Answer = dict[str, Any]
Reply = tuple[Answer, int, dict[str, str]]

_RETRY_AFTER_S = 1


@jobs.post("")
@takes_pictures
def create() -> Reply:
    """202 once the job is on the store's disk; 201 when it ended within the wait that the caller asked for."""
    refuse_before_reading()
    return _reply(submit(read_body(request)), ended=201, going_on=202)


@jobs.put("/<job_id>")
@takes_pictures
def create_named(job_id: str) -> Reply:
    """Like POST, under an id of the caller's own: the same request again answers the same job, whatever was lost."""
    house, client_id, fingerprint = services(), checked(job_id), request_fingerprint()
    standing = house.store.named(client_id, caller().tenant)
    if standing is None:
        return _reply(submit(read_body(request), ClientName(client_id, fingerprint)), ended=201, going_on=202)
    if house.store.fingerprint(standing) != fingerprint:
        raise ClientIdTaken(client_id)
    return _reply(house.store.job(standing, caller().tenant), ended=200, going_on=200)


@jobs.get("")
def index() -> Answer:
    """A page of jobs, newest first unless asked otherwise; one more than asked for tells whether there is another."""
    query = validated(ListQuery, list_fields(request.args))
    found = services().store.jobs(caller().tenant, query.filters, limit=query.limit + 1, after=query.after)
    page = found[: query.limit]
    has_more = len(found) > query.limit
    told = told_each("job", ((job.job_id, job) for job in page), _answer)
    return {"data": told, "has_more": has_more, "next": page[-1].job_id if has_more else None}


@jobs.get("/<job_id>")
def read(job_id: str) -> Reply:
    """One job, and where it stands while it waits. `Prefer: wait=N` holds the answer until the job has ended."""
    return _reply(_job(job_id), ended=200, going_on=200)


@jobs.post("/<job_id>/cancel")
def cancel(job_id: str) -> Answer:
    """The job as it stands afterwards; one that has ended stays as it is."""
    return _answer(services().store.cancel(JobId(job_id), caller().tenant))


@jobs.post("/<job_id>/retry")
def retry_job(job_id: str) -> Reply:
    """Another life for a failed, expired or cancelled job: its pictures are kept, the others wait again.

    202 while it goes on, also when an earlier retry set it going.
    """
    asked, job = read_retry(request), _job(job_id)
    deadline = asked.deadline if "deadline" in asked.model_fields_set else job.spec.deadline
    return _reply(retry(job, deadline), ended=200, going_on=202)


@jobs.delete("/<job_id>")
def delete(job_id: str) -> tuple[str, int]:
    """204 once the job is forgotten; its pictures, previews, grids and manifests follow. Only a job that has ended."""
    services().store.delete(JobId(job_id), caller().tenant)
    return "", 204


def _job(job_id: str) -> Job:
    return services().store.job(JobId(job_id), caller().tenant)


def _reply(job: Job, *, ended: int, going_on: int) -> Reply:
    """Waits as long as the caller prefers. The statuses are those of a job that has ended, and of one that has not.

    Who is told at once that a job was accepted isn't told its place, which is one more thing to ask the store.
    """
    preferred = preferences()
    if preferred.wait_s:
        job = until_final(job, preferred.wait_s)
    is_looked_at = bool(preferred.wait_s) or going_on == 200
    place = services().pace.place(job) if is_looked_at and not job.status.is_final else None
    is_writable = not is_looked_at or job.status.is_final or services().object_writes.succeed()
    answer, fields = _answer(job, place, is_writable=is_writable), preferred.applied
    status = ended if job.status.is_final and is_looked_at else going_on
    if status in (201, 202):
        fields["Location"] = answer["links"]["self"]
    if status == 202:
        fields["Retry-After"] = str(_RETRY_AFTER_S)
    return answer, status, fields


def _answer(job: Job, place: QueuePlace | None = None, *, is_writable: bool = True) -> Answer:
    settings = services().settings
    return job_answer(job, settings.public_url, settings.served_model_name, place, is_writable=is_writable)
