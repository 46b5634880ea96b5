"""The route that streams a job's events as Server-Sent Events until the job has ended. Clients can resume a stream."""

import re
import time
from collections.abc import Iterator
from dataclasses import dataclass

import structlog
from flask import Blueprint, Response, request

from api.edge.authentication import caller
from api.edge.proxies import base_url
from api.jobs.previews import event_for_client
from api.responses import sse
from api.responses.waiting import FROM_THE_START, follow
from api.services import Services, services
from shared.errors import GridpressError, InvalidRequest, StoreUnavailable
from shared.ids import JobId
from shared.jobs.job import Job
from shared.schedule.sizes import size_class
from shared.store.jobs.jobs import JobEvent

log = structlog.get_logger()

events = Blueprint("events", __name__, url_prefix="/v1/jobs")

_EVENT_ID = re.compile(r"[0-9]{1,19}-[0-9]{1,19}")  # format of an entry id of a Redis stream


@events.get("/<job_id>/events")
def stream(job_id: str) -> Response:
    """Streams all past and future events of a job, or only those after `Last-Event-ID`.

    Of the job: `job.queued` (`n`); `job.enhancing`; `job.enhanced` (`status`, `revised_prompt`, `error`); `job.retried`
    and `job.requeued`, after which a job that had ended runs again; `job.succeeded`, `job.failed`, `job.cancelled`,
    `job.expired` and `job.rejected` (`status`).

    `job.waiting` (`reason`), without an id: why a job waits that is too large for every live worker. The reason is null
    once a worker is large enough.

    Of a picture, each with its `index`: `render.stage` (`state`); `render.progress` (`stage`, `done`, `total`), without
    an id, about every two seconds and only until the job's end; `render.preview` (`number`, `total`, `url`).

    Returns 204 when the job has ended and no events are left. The stream ends with the event `server.stopping` when the
    server stops, and with `stream.limit` after GRIDPRESS_STREAM_LIMIT_S seconds. Reconnect then with the id of the last
    event.
    """
    deps = services()
    after = resume_point()
    job = deps.store.job(JobId(job_id), caller().tenant)
    if job.status.is_final and not deps.store.events(job.job_id, after=after):
        return Response(status=204)  # an EventSource does not reconnect after a 204
    ends_at = time.monotonic() + deps.settings.stream_limit_s
    return sse.stream_of(_blocks(deps, job, base_url(), follow(job, ends_at, after), ends_at))


def resume_point() -> str:
    """Returns the event id in `Last-Event-ID`, or `FROM_THE_START`. Raises `InvalidRequest` for what is no event id."""
    after = request.headers.get("Last-Event-ID") or FROM_THE_START
    if after != FROM_THE_START and not _EVENT_ID.fullmatch(after):
        raise InvalidRequest("Last-Event-ID is not the id of an event", "Last-Event-ID")
    return after


def _blocks(deps: Services, job: Job, base: str, followed: Iterator[JobEvent | None], ends_at: float) -> Iterator[str]:
    reason = _WaitingReason(deps, job)
    yield sse.OPENING + reason.news()
    try:
        for event in followed:
            yield _block(job, base, event) if event else reason.news() or sse.HEARTBEAT
    except GridpressError as error:  # the stream just ends, so the client reconnects and resumes
        log.warning("events.broken_off", job_id=job.job_id, error=str(error))
    if deps.stopping.is_set():
        yield sse.STOPPING
    elif time.monotonic() >= ends_at:
        yield sse.LIMIT


@dataclass(slots=True)
class _WaitingReason:
    """Follows why a job waits that is too large for every live worker. `said` is what the stream said last."""

    deps: Services
    job: Job
    said: str | None = None

    def news(self) -> str:
        """Returns the event `job.waiting` if the reason has changed since the last call, else ''."""
        reason = self._reason()
        if reason == self.said:
            return ""
        self.said = reason
        return sse.block("", "job.waiting", {"reason": reason})

    def _reason(self) -> str | None:
        if not size_class(self.job.spec.settings).name:
            return None  # every worker can render it, so the store need not be asked
        try:
            place = self.deps.throughput.place(self.job)
        except StoreUnavailable:
            return self.said
        return (place.reason or None) if place else None


def _block(job: Job, base: str, event: JobEvent) -> str:
    return sse.block(event.event_id, event.type, event_for_client(event, job.job_id, base))
