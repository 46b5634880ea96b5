"""The routes of jobs: create, read, list, cancel."""

from typing import Any

from flask import Blueprint, request

from api.body import read_body
from api.callers import caller, refuse_full_queue, use_pixels
from api.fields import validated
from api.intake import job_spec
from api.schemas import ListQuery
from api.services import services
from shared.answers import job_answer
from shared.ids import JobId, new_job_id
from shared.jobs import Job
from shared.queues import Queue

jobs = Blueprint("jobs", __name__, url_prefix="/v1/jobs")

Answer = dict[str, Any]


@jobs.post("")
def create() -> tuple[Answer, int, dict[str, str]]:
    """202 once the job is on the store's disk. Overload and a full queue are refused before anything is stored."""
    house = services()
    house.capacity.check()
    body = read_body(request)
    refuse_full_queue(body.request.n)
    spec = job_spec(body, caller().tenant, house.settings, house.objects, house.fetcher)
    use_pixels(spec.n * spec.settings.width_px * spec.settings.height_px)
    job = house.store.submit(new_job_id(), spec)
    house.capacity.count(spec.n)
    house.hints.send_one(Queue.AR)
    answer = _answer(job)
    return answer, 202, {"Location": answer["links"]["self"]}


@jobs.get("")
def index() -> Answer:
    """A page of jobs, newest first; one more than asked for tells whether there is another page."""
    query = validated(ListQuery, request.args.to_dict())
    found = services().store.jobs(caller().tenant, limit=query.limit + 1, after=query.after, status=query.status)
    page = found[: query.limit]
    has_more = len(found) > query.limit
    return {"data": [_answer(job) for job in page], "has_more": has_more, "next": page[-1].job_id if has_more else None}


@jobs.get("/<job_id>")
def read(job_id: str) -> Answer:
    """One job."""
    return _answer(services().store.job(JobId(job_id), caller().tenant))


@jobs.post("/<job_id>/cancel")
def cancel(job_id: str) -> Answer:
    """The job as it stands afterwards; one that has ended stays as it is."""
    return _answer(services().store.cancel(JobId(job_id), caller().tenant))


def _answer(job: Job) -> Answer:
    settings = services().settings
    return job_answer(job, settings.public_url, settings.served_model_name)
