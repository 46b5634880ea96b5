"""The route that streams the events of all jobs of a tenant as Server-Sent Events. Clients can resume a stream.

The events are kept only while somebody follows the tenant, so a tenant without followers costs nothing. One stream
costs a greenlet, a subscription to one channel, and one read of the store at most twice a second.
"""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import structlog
from flask import Blueprint, Response

from api.edge.authentication import caller
from api.edge.proxies import base_url
from api.jobs.events import resume_point
from api.jobs.previews import event_for_client
from api.responses import sse
from api.responses.waiting import FROM_THE_START, departure, wait_for_change
from api.services import Services, services
from shared.errors import GridpressError
from shared.ids import TenantId
from shared.store.jobs.activity import TenantEvent, position
from shared.store.jobs.jobs import JobEvent

log = structlog.get_logger()

activity = Blueprint("activity", __name__, url_prefix="/v1/events")

_REST_S = 0.5  # the shortest interval between two reads, since many jobs may change in a second
_HEARTBEAT_S = 10.0  # proxies cut a connection that is idle for a minute
_FOLLOW_EVERY_S = 120.0  # far less than the ten minutes for which scripts go on keeping events
_GAP = "event: stream.gap\ndata: {}\n\n"  # events are missing: the client reads the lists again


@activity.get("")
def stream() -> Response:
    """Streams the events of all jobs of the tenant from now on, or those after `Last-Event-ID`.

    Each event has the data of the job's own stream, and `job_id`. Two minutes of a break lose nothing, and mostly ten
    minutes. If events may be missing, the stream begins with the event `stream.gap`: then read the list of jobs again.
    The stream ends with the event `server.stopping` when the server stops, and with `stream.limit` after
    GRIDPRESS_STREAM_LIMIT_S seconds. Reconnect then with the id of the last event.
    """
    deps, tenant, after = services(), caller().tenant, resume_point()
    since = deps.activity.follow(tenant)
    opening = sse.OPENING
    if after == FROM_THE_START:
        after = max(deps.activity.newest(tenant), since, key=position)
        opening += f"id: {after}\nevent: stream.open\ndata: {{}}\n\n"
    elif deps.activity.has_gap(tenant, after, since):
        opening += _GAP
    follower = _Follower(deps, tenant, base_url(), departure(), time.monotonic() + deps.settings.stream_limit_s)
    return sse.stream_of(follower.blocks(opening, after))


@dataclass(frozen=True, slots=True)
class _Follower:
    """One open connection that receives the events of all jobs of a tenant.

    `base` is the address with which links to pictures begin. `has_left` returns whether the client has closed the
    connection. `ends_at` is the time at which the API ends it, on the clock `time.monotonic`.
    """

    deps: Services
    tenant: TenantId
    base: str
    has_left: Callable[[], bool]
    ends_at: float

    def blocks(self, opening: str, after: str) -> Iterator[str]:
        yield opening
        try:
            for event in self._events(after):
                yield self._block(event) if event else sse.HEARTBEAT
        except GridpressError as error:  # the stream just ends, so the client reconnects and resumes
            log.warning("activity.broken_off", error=str(error))
        if self.deps.stopping.is_set():
            yield sse.STOPPING
        elif time.monotonic() >= self.ends_at:
            yield sse.LIMIT

    def _events(self, after: str) -> Iterator[TenantEvent | None]:
        """Yields the events after the id `after` as they occur, and None after 10 s without one."""
        deps, beats_at, follows_at = self.deps, time.monotonic() + _HEARTBEAT_S, time.monotonic() + _FOLLOW_EVERY_S
        with deps.hub.watch_all(self.tenant) as watch:
            while not deps.stopping.is_set() and not self.has_left() and time.monotonic() < self.ends_at:
                if time.monotonic() >= follows_at:
                    deps.activity.follow(self.tenant)
                    follows_at = time.monotonic() + _FOLLOW_EVERY_S
                events = deps.activity.events(self.tenant, after=after)
                yield from events
                if events:
                    after, beats_at = events[-1].event_id, time.monotonic() + _HEARTBEAT_S
                elif time.monotonic() >= beats_at:
                    yield None
                    beats_at = time.monotonic() + _HEARTBEAT_S
                deps.stopping.wait(_REST_S)
                wait_for_change(deps, watch, self.has_left, min(beats_at, self.ends_at))

    def _block(self, event: TenantEvent) -> str:
        own = event_for_client(JobEvent(event.event_id, event.type, event.data), event.job_id, self.base)
        return sse.block(event.event_id, event.type, {"job_id": event.job_id, **own})
