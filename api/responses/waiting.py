"""Holds a request until its job changes. Each waiting request costs a greenlet, not a thread."""

import socket
import time
from collections.abc import Callable, Iterator

import structlog
from flask import request

from api.edge.request_metrics import held
from api.edge.revocation import revocation, revoked
from api.services import Services, services
from shared.errors import JobNotFound, StoreUnavailable
from shared.jobs.job import Job
from shared.jobs.states import JobStatus
from shared.store.jobs.jobs import JobEvent
from shared.store.jobs.watch import Watch

log = structlog.get_logger()

# Where gunicorn leaves the client's connection in the environment of a request.
SOCKET = "gunicorn.socket"

FROM_THE_START = "0"
_LAST = frozenset(f"job.{status}" for status in JobStatus if status.is_final)
_REVIVALS = frozenset({"job.retried", "job.requeued"})  # the job goes on: an end before them was not its last
_TICK_S = 1.0  # how long a client that left, or whose key was revoked, is not noticed
_HEARTBEAT_S = 10.0  # proxies cut a connection that is quiet for a minute


def until_final(job: Job, timeout_s: float) -> Job:
    """Waits until the job is final, the time is over, the server stops or the client has left; returns the job.

    Raises `JobNotFound` when the job was deleted meanwhile, and `Unauthorized` when the key was revoked. Raises
    `StoreUnavailable` when the store is down at the end; a shorter outage is ignored.
    """
    house, has_left, ends_at = services(), departure(), time.monotonic() + timeout_s
    with house.hub.watch(job.job_id) as watch, held("wait"):
        while not _is_final(house, job) and is_told(house, watch, has_left, ends_at):
            pass
    if revocation()():
        raise revoked()
    return house.store.job(job.job_id, job.spec.tenant)


def follow(job: Job, after: str = FROM_THE_START) -> Iterator[JobEvent | None]:
    """Yields events after the id `after` as they come, up to the job's last one; None after a quiet interval.

    Must be called within a request, but may be iterated anywhere. Ends early when the server stops, the client has left
    or its key was revoked.
    """
    return _follow(services(), job, after, departure())


def client_has_left() -> bool:
    """Returns whether the client of the current request has closed its connection or lost its access."""
    return departure()()


def departure() -> Callable[[], bool]:
    """Returns `client_has_left` as a function that works after the request's context has ended."""
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
    """Waits for news of the job. Returns False when the time is over, the server stops or the client has left."""
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
    """Returns whether the job is final; a deleted one is."""
    try:
        return house.store.status(job.job_id).is_final
    except JobNotFound:
        return True
    except StoreUnavailable as error:
        log.warning("wait.store_unavailable", job_id=job.job_id, error=str(error))
        return False


def _is_closed(connection: socket.socket | None) -> bool:
    """Peeks at the socket without taking data: returns whether the client has closed the connection."""
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
