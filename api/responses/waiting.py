"""Lets a request wait until its job changes or ends. Each waiting request occupies a greenlet, not a thread."""

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

# The key under which gunicorn stores the client's connection in the WSGI environment.
SOCKET = "gunicorn.socket"

FROM_THE_START = "0"
_LAST = frozenset(f"job.{status}" for status in JobStatus if status.is_final)
_REVIVALS = frozenset({"job.retried", "job.requeued"})  # after these events a job that had ended runs again
_TICK_S = 1.0  # interval of checks whether the client has disconnected or its API key was revoked
_HEARTBEAT_S = 10.0  # proxies cut a connection that is idle for a minute


def until_final(job: Job, timeout_s: float) -> Job:
    """Waits until a job has ended, and returns the job.

    The wait also ends after `timeout_s`, when the server stops, and when the client has disconnected. Raises
    `JobNotFound` when the job was deleted meanwhile, and `Unauthorized` when the API key was revoked. Raises
    `StoreUnavailable` when the store is unreachable at the end of the wait. A shorter outage does not matter.
    """
    deps, has_left, ends_at = services(), departure(), time.monotonic() + timeout_s
    with deps.hub.watch(job.job_id) as watch, held("wait"):
        while not _is_final(deps, job) and wait_for_change(deps, watch, has_left, ends_at):
            pass
    if revocation()():
        raise revoked()
    return deps.store.job(job.job_id, job.spec.tenant)


def follow(job: Job, ends_at: float, after: str = FROM_THE_START) -> Iterator[JobEvent | None]:
    """Yields the events of a job after the event id `after` as they occur, up to the job's last event.

    Yields None after 10 s without an event, so that the caller can send a heartbeat. Ends early at `ends_at` (a time of
    `time.monotonic`), when the server stops, the client has disconnected, or its API key was revoked. Must be called
    within a request, but the iterator also works after the request's context has ended.
    """
    return _follow(services(), job, after, departure(), ends_at)


def client_has_left() -> bool:
    """Returns whether the client of the current request has disconnected or its API key was revoked."""
    return departure()()


def departure() -> Callable[[], bool]:
    """Returns a function that tells whether the client has disconnected or its API key was revoked.

    The function also works after Flask's context of the request has ended.
    """
    connection, is_revoked = request.environ.get(SOCKET), revocation()
    return lambda: _is_closed(connection) or is_revoked()


def _follow(
    deps: Services, job: Job, after: str, has_left: Callable[[], bool], ends_at: float
) -> Iterator[JobEvent | None]:
    told: list[JobEvent] = []  # the newest progress
    with deps.hub.watch(job.job_id) as watch:
        beats_at = time.monotonic() + _HEARTBEAT_S
        while True:  # at least once: a stream whose limit passed before its first read would never get on
            events = _events(deps, job, after)
            if events:
                beats_at = time.monotonic() + _HEARTBEAT_S
            for position, event in enumerate(events, start=1):
                yield event
                if event.type in _LAST and not any(later.type in _REVIVALS for later in events[position:]):
                    return
                after = event.event_id or after
            before, told = told, _progress(deps, job, told)
            for step in told:
                if step not in before:
                    beats_at = time.monotonic() + _HEARTBEAT_S
                    yield step
            while not wait_for_change(deps, watch, has_left, min(beats_at, ends_at)):
                if deps.stopping.is_set() or has_left() or time.monotonic() >= ends_at:
                    return
                yield None
                beats_at = time.monotonic() + _HEARTBEAT_S
                if _is_final(deps, job):  # the client resumed after the last event, or the events were purged
                    return


def wait_for_change(deps: Services, watch: Watch, has_left: Callable[[], bool], ends_at: float) -> bool:
    """Waits until the watched job or batch changes, and returns True.

    Returns False at `ends_at` (a time of `time.monotonic`), when the server stops, and when the client has
    disconnected.
    """
    while not deps.stopping.is_set() and not has_left():
        left_s = ends_at - time.monotonic()
        if left_s <= 0:
            return False
        if watch.wait(min(left_s, _TICK_S)):
            return not deps.stopping.is_set()
    return False


def _events(deps: Services, job: Job, after: str) -> list[JobEvent]:
    try:
        return deps.store.events(job.job_id, after=after)
    except StoreUnavailable as error:
        log.warning("wait.store_unavailable", job_id=job.job_id, error=str(error))
        return []


def _progress(deps: Services, job: Job, told: list[JobEvent]) -> list[JobEvent]:
    """Returns the newest progress of a job's renders. Returns `told` while the store is unreachable."""
    try:
        return deps.store.progress(job)
    except StoreUnavailable:
        return told


def _is_final(deps: Services, job: Job) -> bool:
    """Returns whether a job has ended or was deleted. Returns False while the store is unreachable."""
    try:
        return deps.store.status(job.job_id).is_final
    except JobNotFound:
        return True
    except StoreUnavailable as error:
        log.warning("wait.store_unavailable", job_id=job.job_id, error=str(error))
        return False


def _is_closed(connection: socket.socket | None) -> bool:
    """Returns whether the client has closed its connection. Only peeks at the socket, so no data is lost."""
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
