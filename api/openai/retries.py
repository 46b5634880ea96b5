"""Returns the job of an earlier try when OpenAI's client retries a request whose response was not delivered.

So a retry after a lost connection creates no second job.
"""

import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass

import structlog
from flask import request

from api.edge import idempotency
from api.edge.authentication import caller
from api.jobs.submission import submit
from api.problems.errors import RequestInProgress
from api.problems.openai import JobNotMade, StillRendering
from api.responses.waiting import client_has_left, until_final
from api.services import services
from shared.errors import GridpressError, JobNotFound, StoreUnavailable
from shared.ids import new_job_id
from shared.intake.request import Body
from shared.jobs.job import Job
from shared.jobs.states import JobStatus
from shared.store.idempotency.lost_responses import Expected, UndeliveredStore

log = structlog.get_logger()

RETRY_COUNT = "x-stainless-retry-count"

_POLL_S = 0.2


@dataclass(slots=True)
class AwaitedJob:
    """A job that the current request waits for, to send its pictures as the response.

    If `is_held` is true, the request is a retry that found the job of an earlier try. The retry then holds a lease on
    the job, so that no other retry takes the same job. `held_at` is the monotonic time of the last extension of this
    lease.
    """

    job: Job
    store: UndeliveredStore
    expected: Expected | None
    is_held: bool = False
    held_at: float = 0.0

    def wait(self, timeout_s: float) -> None:
        """Waits up to `timeout_s` seconds until the job has succeeded.

        Raises `JobNotMade` if the job ended in another way, and `StillRendering` if it has not ended in that time. Also
        raises the errors of `until_final`, which performs the wait.
        """
        try:
            self._wait(timeout_s)
        except GridpressError:
            self.end(is_delivered=False)
            raise
        if self.job.status is JobStatus.SUCCEEDED:
            return
        is_final = self.job.status.is_final
        self.end(is_delivered=is_final and not client_has_left())
        raise JobNotMade(self.job) if is_final else StillRendering(self.job)

    def deliver_pieces(self, pieces: Iterable[bytes], is_delivered: Callable[[], bool]) -> Iterator[bytes]:
        """Yields the pieces of the response, and then records whether the response was delivered.

        The response counts as delivered if its last piece was passed to the connection and `is_delivered` returns True.
        """
        is_sent = False
        try:
            for piece in pieces:
                yield piece
                self.hold()
            is_sent = True
        finally:
            self.end(is_delivered=is_sent and is_delivered())

    def hold(self) -> None:
        """Extends the current request's lease on the job that it waits for, so that no retry of the request takes the
        job.

        Must be called every few seconds.
        """
        if self.is_held and self.expected and time.monotonic() > self.held_at + self.store.lease_s / 4:
            self.held_at = time.monotonic()
            self._note(self.store.hold, self.expected)

    def end(self, *, is_delivered: bool) -> None:
        """Ends the current request's lease on the job that it waits for.

        If the response with the job's pictures was not delivered, a retry of the request may take the job.
        """
        if self.expected:
            self._note(self.store.delivered if is_delivered else self.store.release, self.expected)

    def _wait(self, timeout_s: float) -> None:
        deps, ends_at = services(), time.monotonic() + timeout_s
        while not self.job.status.is_final and (left_s := ends_at - time.monotonic()) > 0:
            self.job = until_final(self.job, min(left_s, self.store.lease_s / 4) if self.is_held else left_s)
            if deps.stopping.is_set() or client_has_left():
                return
            self.hold()

    def _note(self, how: Callable[[Expected], None], expected: Expected) -> None:
        try:
            how(expected)
        except StoreUnavailable as error:  # the response is sent; the lease on the job expires without help
            log.warning("delivery.not_noted", job_id=self.job.job_id, error=str(error))


def await_job(body: Body) -> AwaitedJob:
    """Returns the job that the current request waits for.

    If the request has an Idempotency-Key, this is the job of the first request with that key. If the request is a retry
    without a key, it is the job of the earlier try whose response was not delivered. Otherwise it is a new job. Raises
    the errors of `submit`, which creates jobs.
    """
    store = services().undelivered
    if idempotency.reserved_id():
        return AwaitedJob(submit(body), store, None)
    fingerprint = idempotency.request_fingerprint()
    return (_of_earlier_try(store, fingerprint) if _is_retry() else None) or _of_new_job(store, fingerprint, body)


def _is_retry() -> bool:
    count = request.headers.get(RETRY_COUNT, "0")
    return count.isascii() and count.isdecimal() and int(count[:9]) > 0


def _of_new_job(store: UndeliveredStore, fingerprint: str, body: Body) -> AwaitedJob:
    """Creates a job whose response the current request must deliver, and returns it.

    The store records the request before the job is created: the client may time out and retry before the job exists.
    """
    expected = store.expect(caller().tenant, fingerprint, new_job_id())
    try:
        awaited = AwaitedJob(submit(body, job_id=expected.job_id), store, expected)
    except StoreUnavailable:  # the job may have been created all the same, so a retry may look for it
        with suppress(StoreUnavailable):
            store.release(expected)
        raise
    except GridpressError:
        store.delivered(expected)
        raise
    awaited.end(is_delivered=False)
    return awaited


def _of_earlier_try(store: UndeliveredStore, fingerprint: str) -> AwaitedJob | None:
    """Returns the job that an earlier try of the current request created, if its response was not delivered.

    Returns None if there is no job of an earlier try. If other requests hold leases on all of these jobs, it waits
    until one is free, at most for the duration of a lease. The other request may have lost its connection, and its
    lease then expires within that time. Raises `RequestInProgress` if the server stops or the client disconnects during
    the wait.
    """
    deps, ends_at = services(), time.monotonic() + store.lease_s
    while time.monotonic() < ends_at:
        found = store.attach(caller().tenant, fingerprint)
        if found is None:
            return None
        if isinstance(found, Expected):
            try:
                return AwaitedJob(deps.store.job(found.job_id, caller().tenant), store, found, True, time.monotonic())
            except JobNotFound:  # the job was never created, or was deleted since
                store.delivered(found)
        elif deps.stopping.is_set() or client_has_left():
            raise RequestInProgress("an earlier try of this request is still running")
        else:
            time.sleep(_POLL_S)
    return None
