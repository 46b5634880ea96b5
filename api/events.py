"""The route of a job's events: Server-Sent Events, resumable, ended by the job's own end."""

import json
import re
from collections.abc import Callable, Iterator, Mapping

import structlog
from flask import Blueprint, Response, request

from api.callers import caller
from api.errors import TooManyStreams
from api.previews import shown
from api.services import Services, services
from shared.errors import GridpressError, InvalidRequest, JobNotFound
from shared.ids import JobId
from shared.jobs import Job
from shared.states import JobStatus
from shared.store.jobs import JobEvent

log = structlog.get_logger()

events = Blueprint("events", __name__, url_prefix="/v1/jobs")

_FROM_THE_START = "0"
_EVENT_ID = re.compile(r"[0-9]{1,19}-[0-9]{1,19}")  # of a Redis stream
_LAST = frozenset(f"job.{status}" for status in JobStatus if status.is_final)
_TICK_S = 1.0  # how long a stopping server and a client that left are not noticed
_HEARTBEAT_TICKS = 10  # proxies cut a connection that is quiet for a minute


@events.get("/<job_id>/events")
def stream(job_id: str) -> Response:
    """All that happened and will happen, or what came after `Last-Event-ID`; 204 when nothing will."""
    house = services()
    after = _resume_point()
    job = house.store.job(JobId(job_id), caller().tenant)
    if job.status.is_final and not house.store.events(job.job_id, after=after, block_s=0):
        return Response(status=204)  # what tells an EventSource to stop coming back
    if not house.streams.acquire(blocking=False):
        raise TooManyStreams("too many event streams are open; poll the job instead, or try again")
    has_left = request.environ.get("waitress.client_disconnected", bool)
    response = Response(_lines(house, job, after, has_left), content_type="text/event-stream")
    response.headers["X-Accel-Buffering"] = "no"
    response.call_on_close(house.streams.release)
    return response


def _resume_point() -> str:
    after = request.headers.get("Last-Event-ID") or _FROM_THE_START
    if after != _FROM_THE_START and not _EVENT_ID.fullmatch(after):
        raise InvalidRequest("Last-Event-ID is not the id of an event", "Last-Event-ID")
    return after


def _lines(house: Services, job: Job, after: str, has_left: Callable[[], bool]) -> Iterator[str]:
    """An outage of the store ends the stream as it ends a connection: the client comes back and resumes."""
    yield ": open\n\n"
    try:
        for event in _until_final(house, job, after, has_left):
            yield _block(event, shown(event, job.job_id, house.settings.public_url)) if event else ":\n\n"
    except GridpressError as error:
        log.warning("events.broken_off", job_id=job.job_id, error=str(error))


def _block(event: JobEvent, data: Mapping[str, object]) -> str:
    return f"id: {event.event_id}\nevent: {event.type}\ndata: {json.dumps(data)}\n\n"


def _until_final(house: Services, job: Job, after: str, has_left: Callable[[], bool]) -> Iterator[JobEvent | None]:
    """Events as they come; None when it has been quiet for a while."""
    quiet_ticks = 0
    while not house.stopping.is_set() and not has_left():
        for event in house.store.events(job.job_id, after=after, block_s=_TICK_S):
            yield event
            if event.type in _LAST:
                return
            after, quiet_ticks = event.event_id, 0
        quiet_ticks += 1
        if quiet_ticks % _HEARTBEAT_TICKS == 0:
            yield None
            if _is_over(house, job):  # a resume point beyond the end, or the events were purged
                return


def _is_over(house: Services, job: Job) -> bool:
    try:
        return house.store.job(job.job_id, job.spec.tenant).status.is_final
    except JobNotFound:
        return True
