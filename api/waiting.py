"""Holds a request until something happens to its job. Any number may wait: each costs a greenlet, and no thread."""

import socket
import time
from collections.abc import Callable, Iterator

import structlog
from flask import request

from api.revocation import revocation, revoked
from api.services import Services, services
from shared.errors import JobNotFound, StoreUnavailable
from shared.jobs import Job
from shared.states import JobStatus
from shared.store.jobs import JobEvent
from shared.store.watch import Watch

log = structlog.get_logger()

# Where gunicorn leaves the client's connection in the environment of a request.
SOCKET = "gunicorn.socket"

FROM_THE_START = "0"
_LAST = frozenset(f"job.{status}" for status in JobStatus if status.is_final)
_REVIVALS = frozenset({"job.retried", "job.requeued"})  # the job goes on: an end before them was not its last
_TICK_S = 1.0  # how long a client that left, or whose key was revoked, is not noticed
_HEARTBEAT_S = 10.0  # proxies cut a connection that is quiet for a minute


def until_final(job: Job, timeout_s: float) -> Job:
    """The job as it is when it is final, the time is over, the server stops or the client has left.

    Raises `JobNotFound` when it was deleted meanwhile, `Unauthorized` when the caller's key was revoked, and
    `StoreUnavailable` when the store is away at the end; an outage that passes before is sat out.
    """
    house, has_left, ends_at = services(), departure(), time.monotonic() + timeout_s
    with house.hub.watch(job.job_id) as watch:
        while not _is_final(house, job) and is_told(house, watch, has_left, ends_at):
            pass
    if revocation()():
        raise revoked()
    return house.store.job(job.job_id, job.spec.tenant)


def follow(job: Job, after: str = FROM_THE_START) -> Iterator[JobEvent | None]:
    """Events later than `after` as they come, the job's last one included; None when it has been quiet for a while.

    Called within a request, iterated anywhere. Ends early when the server stops, the client has left or its key was
    revoked.
    """
    return _follow(services(), job, after, departure())


def client_has_left() -> bool:
    """Whether the client of the current request has closed its connection, or may not be answered any more."""
    return departure()()


def departure() -> Callable[[], bool]:
    """`client_has_left` of this request, for what goes on after the request's context has ended."""
    connection, is_revoked = request.environ.get(SOCKET), revocation()
    return lambda: _is_closed(connection) or is_revoked()


def _follow(house: Services, job: Job, after: str, has_left: Callable[[], bool]) -> Iterator[JobEvent | None]:
    with house.hub.watch(job.job_id) as watch:
        beats_at = time.monotonic() + _HEARTBEAT_S
        while True:
            events = _events(house, job, after)
            if events:
                beats_at = time.monotonic() + _HEARTBEAT_S
            for position, event in enumerate(events, start=1):
                yield event
                if event.type in _LAST and not any(later.type in _REVIVALS for later in events[position:]):
                    return
                after = event.event_id
            while not is_told(house, watch, has_left, beats_at):
                if house.stopping.is_set() or has_left():
                    return
                yield None
                beats_at = time.monotonic() + _HEARTBEAT_S
                if _is_final(house, job):  # a resume point beyond the end, or the events were purged
                    return


def is_told(house: Services, watch: Watch, has_left: Callable[[], bool], ends_at: float) -> bool:
    """True as soon as there is a reason to look; False when the time is over, or nobody wants to know any more."""
    while not house.stopping.is_set() and not has_left():
        left_s = ends_at - time.monotonic()
        if left_s <= 0:
            return False
        if watch.wait(min(left_s, _TICK_S)):
            return not house.stopping.is_set()
    return False


def _events(house: Services, job: Job, after: str) -> list[JobEvent]:
    try:
        return house.store.events(job.job_id, after=after)
    except StoreUnavailable as error:
        log.warning("wait.store_unavailable", job_id=job.job_id, error=str(error))
        return []


def _is_final(house: Services, job: Job) -> bool:
    """A job that is gone is over, too."""
    try:
        return house.store.status(job.job_id).is_final
    except JobNotFound:
        return True
    except StoreUnavailable as error:
        log.warning("wait.store_unavailable", job_id=job.job_id, error=str(error))
        return False


def _is_closed(connection: socket.socket | None) -> bool:
    """Looks at what has arrived without taking it: nothing more will come once the other side has closed."""
    if connection is None:
        return False
    timeout_s = connection.gettimeout()
    connection.settimeout(0)
    try:
        return connection.recv(1, socket.MSG_PEEK) == b""
    except BlockingIOError:
        return False
    except OSError:
        return True
    finally:
        connection.settimeout(timeout_s)
