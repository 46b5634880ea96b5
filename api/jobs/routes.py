"""Routes that create, read, list, cancel, retry and delete jobs."""

from collections.abc import Sequence
from typing import Any

from flask import Blueprint, request

from api.bodies.documents import read_body, read_optional
from api.bodies.incoming import takes_pictures
from api.edge.authentication import caller
from api.edge.idempotency import request_fingerprint
from api.edge.proxies import base_url
from api.jobs.client_ids import checked_client_id, jobs_meant
from api.jobs.retries import await_job
from api.jobs.schemas import ListQuery, RetryRequest, list_fields
from api.jobs.submission import refuse_before_reading, retry, submit
from api.responses.listing import readable_responses
from api.responses.prefer import preferences
from api.responses.waiting import client_has_left, until_final
from api.services import services
from shared.errors import ClientIdTaken, InvalidRequest, StoreUnavailable
from shared.ids import JobId
from shared.intake.fields import validated
from shared.jobs.job import ClientName, Job
from shared.responses.job import job_response
from shared.schedule.throughput import NO_OUTLOOK, Outlook

jobs = Blueprint("jobs", __name__, url_prefix="/v1/jobs")

Json = dict[str, Any]
Reply = tuple[Json, int, dict[str, str]]

_RETRY_AFTER_S = 1


@jobs.post("")
@takes_pictures
def create() -> Reply:
    """Creates a job and returns it with status 202 once it is stored on disk.

    With `Prefer: wait=N` it waits up to N seconds, and returns 201 if the job ended in that time.
    """
    refuse_before_reading()
    wait_s = preferences().wait_s
    if not wait_s:
        return _reply(submit(read_body(request)), ended=201, going_on=202)
    awaited = await_job(read_body(request))
    awaited.wait(wait_s)
    awaited.end(is_delivered=not client_has_left())
    return _reply(awaited.job, ended=201, going_on=202, has_waited=True)


@jobs.put("/<job_id>")
@takes_pictures
def create_named(job_id: str) -> Reply:
    """Creates a job under an id that the caller chooses. A repetition of the same request returns the same job."""
    deps, client_id, fingerprint = services(), checked_client_id(job_id), request_fingerprint()
    existing_id = deps.store.named(client_id, caller().tenant)
    if existing_id is None:
        return _reply(submit(read_body(request), ClientName(client_id, fingerprint)), ended=201, going_on=202)
    if deps.store.fingerprint(existing_id) != fingerprint:
        raise ClientIdTaken(client_id)
    return _reply(deps.store.job(existing_id, caller().tenant), ended=200, going_on=200)


@jobs.get("")
def index() -> Json:
    """Returns a page of the tenant's jobs, newest first by default, or the jobs with the given `ids`."""
    query = validated(ListQuery, list_fields(request.args))
    if query.ids:
        return _of_ids(query)
    if query.filters.reads_jobs:
        return _searched(query)
    found = services().store.jobs(caller().tenant, query.filters, limit=query.limit + 1, after=query.after)
    page = found[: query.limit]
    has_more = len(found) > query.limit
    return {"data": _answers(page), "has_more": has_more, "next": page[-1].job_id if has_more else None}


@jobs.get("/<job_id>")
def read(job_id: str) -> Reply:
    """Returns one job, with its place in the queue while it waits.

    With `Prefer: wait=N` the response comes when the job has ended, or after N seconds.
    """
    return _reply(_job(job_id), ended=200, going_on=200)


@jobs.post("/<job_id>/cancel")
def cancel(job_id: str) -> Json:
    """Cancels a job and returns it. A job that has ended stays unchanged."""
    return _answer(services().store.cancel(JobId(job_id), caller().tenant))


@jobs.post("/<job_id>/retry")
def retry_job(job_id: str) -> Reply:
    """Retries a failed, expired or cancelled job. Finished pictures stay, and the others are rendered again.

    Returns 202 while the job runs, also when an earlier retry started it.
    """
    asked, job = read_optional(RetryRequest), _job(job_id)
    deadline = asked.deadline if "deadline" in asked.model_fields_set else job.spec.deadline
    return _reply(retry(job, deadline), ended=200, going_on=202)


@jobs.delete("/<job_id>")
def delete(job_id: str) -> tuple[str, int]:
    """Deletes a job that has ended, and returns 204.

    The job's pictures, previews, token grids and manifests are deleted a little later.
    """
    services().store.delete(JobId(job_id), caller().tenant)
    return "", 204


def _of_ids(query: ListQuery) -> Json:
    """Returns the jobs with the ids in the query. `missing` lists the ids under which the tenant has no job.

    Takes the same number of round trips to the store for any number of ids. Raises `InvalidRequest` if the query has
    another parameter.
    """
    if others := sorted(query.model_fields_set - {"ids"}):
        raise InvalidRequest(f"ids can't be combined with {others[0]}", "ids")
    meant = jobs_meant(query.ids)
    found = services().store.owned(list(dict.fromkeys(meant.values())), caller().tenant)
    ids = list(dict.fromkeys(query.ids))
    pairs = [(each, found[meant[each]]) for each in ids if meant.get(each) in found]
    answers = dict(readable_responses("job", ((each, (each, job)) for each, job in pairs), _named_answer))
    missing = [each for each in ids if each not in answers]
    return {"data": list(answers.values()), "has_more": False, "next": None, "missing": missing}


def _named_answer(pair: tuple[str, Job]) -> tuple[str, Json]:
    return pair[0], _answer(pair[1])


def _searched(query: ListQuery) -> Json:
    """Returns a page of a list whose filter reads jobs. The page may be short although more jobs follow."""
    found = services().store.scan(caller().tenant, query.filters, limit=query.limit, after=query.after)
    return {"data": _answers(found.jobs), "has_more": found.next is not None, "next": found.next}


def _answers(jobs: Sequence[Job]) -> list[Json]:
    return readable_responses("job", ((job.job_id, job) for job in jobs), _answer)


def _job(job_id: str) -> Job:
    return services().store.job(JobId(job_id), caller().tenant)


def _reply(job: Job, *, ended: int, going_on: int, has_waited: bool = False) -> Reply:
    """Waits for a job as long as the header field `Prefer` asks, unless the caller has waited already, and returns the
    response with the job.

    The HTTP status is `ended` if the job has ended, otherwise `going_on`. Every response contains the job's place in
    the queue and its expected end, even a 202 without a wait.
    """
    preferred = preferences()
    if preferred.wait_s and not has_waited:
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
    """Returns a job's place in the queue and its expected end. Both are unknown if the store is unreachable.

    An unreachable store must not fail the request, since the response must still report that the job was accepted.
    """
    try:
        return services().throughput.outlook(job)
    except StoreUnavailable:
        return NO_OUTLOOK


def _answer(job: Job, outlook: Outlook = NO_OUTLOOK, *, is_writable: bool = True) -> Json:
    settings = services().settings
    return job_response(job, base_url(), settings.served_model_name, outlook, is_writable=is_writable)
