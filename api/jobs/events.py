"""The route of a job's events: Server-Sent Events, resumable, ended by the job's own end."""

import re
from collections.abc import Iterator

import structlog
from flask import Blueprint, Response, request

from api.edge.callers import caller
from api.edge.proxies import base_url
from api.jobs.previews import shown
from api.responses import sse
from api.responses.waiting import FROM_THE_START, follow
from api.services import Services, services
from shared.errors import GridpressError, InvalidRequest
from shared.ids import JobId
from shared.jobs.job import Job
from shared.store.jobs.jobs import JobEvent

log = structlog.get_logger()

events = Blueprint("events", __name__, url_prefix="/v1/jobs")

_EVENT_ID = re.compile(r"[0-9]{1,19}-[0-9]{1,19}")  # of a Redis stream


@events.get("/<job_id>/events")
def stream(job_id: str) -> Response:
    """Streams all events of the job, past and future, or those after `Last-Event-ID`; 204 when none will follow.

    A server that stops ends the stream with the event `server.stopping`: reconnect with the last id.
    """
    house = services()
    after = _resume_point()
    job = house.store.job(JobId(job_id), caller().tenant)
    if job.status.is_final and not house.store.events(job.job_id, after=after):
        return Response(status=204)  # what tells an EventSource to stop coming back
    return sse.stream_of(_blocks(house, job, base_url(), follow(job, after)))


def _resume_point() -> str:
    after = request.headers.get("Last-Event-ID") or FROM_THE_START
    if after != FROM_THE_START and not _EVENT_ID.fullmatch(after):
        raise InvalidRequest("Last-Event-ID is not the id of an event", "Last-Event-ID")
    return after


def _blocks(house: Services, job: Job, base: str, followed: Iterator[JobEvent | None]) -> Iterator[str]:
    yield sse.OPENING
    try:
        for event in followed:
            yield _block(job, base, event) if event else sse.HEARTBEAT
    except GridpressError as error:  # it ends as a connection does: the client comes back and resumes
        log.warning("events.broken_off", job_id=job.job_id, error=str(error))
    if house.stopping.is_set():
        yield sse.STOPPING


def _block(job: Job, base: str, event: JobEvent) -> str:
    return sse.block(event.event_id, event.type, shown(event, job.job_id, base))
