"""Returns the job of an earlier try when a client retries a request that waits for pictures, and whose response was not
delivered.

So a retry after a timeout or a lost connection creates no second job. OpenAI's client marks its retries. Most clients
don't, so an equal request counts as a retry as well if the earlier one has ended without a delivered response.
"""

import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field

import structlog
from flask import Response, request

from api.edge import idempotency
from api.edge.authentication import caller
from api.jobs.submission import submit
from api.problems.errors import RequestInProgress
from api.responses.waiting import client_has_left, until_final
from api.services import services
from shared.errors import GridpressError, JobNotFound, StoreUnavailable
from shared.ids import new_job_id
from shared.intake.request import Body
from shared.jobs.job import Job
from shared.jobs.states import JobStatus
from shared.store.idempotency.lost_responses import Expected, Held, UndeliveredStore

log = structlog.get_logger()

RETRY_COUNT = "x-stainless-retry-count"

_POLL_S = 0.2
# A client that timed out has left, but the request that waited for it notices that only after a second. Several equal
# requests may also be meant as several jobs. They come at once, while retries come after a timeout.
_RETRIES_COME_AFTER_S, _NOTICED_WITHIN_S = 5.0, 2.0

Refusal = Callable[[Job], GridpressError]


@dataclass(slots=True)
class AwaitedJob:
    """A job that the current request waits for, to send its pictures as the response.

    The request holds a lease on the job, so that no other request takes the same job meanwhile. If the request created
    the job, the lease is open: a request that is marked as a retry may take it. `held_at` is the monotonic time
    of the last extension of this lease. `expected` is None if the request has an Idempotency-Key.
    """

    job: Job
    store: UndeliveredStore
    expected: Expected | None
    held_at: float = field(default_factory=time.monotonic)

    def wait(self, timeout_s: float) -> None:
        """Waits up to `timeout_s` seconds until the job has ended. Raises the errors of `until_final`."""
        deps, ends_at = services(), time.monotonic() + timeout_s
        try:
            while not self.job.status.is_final and (left_s := ends_at - time.monotonic()) > 0:
                self.job = until_final(self.job, min(left_s, self.store.lease_s / 4) if self.expected else left_s)
                if deps.stopping.is_set() or client_has_left():
                    return
                self.hold()
        except GridpressError:
            self.end(is_delivered=False)
            raise

    def wait_for_pictures(self, timeout_s: float, *, failed: Refusal, unfinished: Refusal) -> None:
        """Waits up to `timeout_s` seconds until the job has succeeded.

        Raises the error that `failed` makes if the job ended in another way, and the one that `unfinished` makes if it
        has not ended in that time. A retry of the request then finds the same job.
        """
        self.wait(timeout_s)
        if self.job.status is JobStatus.SUCCEEDED:
            return
        is_final = self.job.status.is_final
        self.end(is_delivered=is_final and not client_has_left())
        raise failed(self.job) if is_final else unfinished(self.job)

    def deliver(self, body: str) -> Response:
        """Returns the response with this JSON text, and records when it was passed to the connection."""
        pieces = self.deliver_pieces([body.encode()], lambda: True)
        response = Response(pieces, content_type="application/json")
        response.content_length = len(body.encode())
        return response

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
        if self.expected and time.monotonic() > self.held_at + self.store.lease_s / 4:
            self.held_at = time.monotonic()
            self._note(self.store.hold, self.expected)

    def end(self, *, is_delivered: bool) -> None:
        """Ends the current request's lease on the job that it waits for.

        If the response with the job's pictures was not delivered, a retry of the request may take the job.
        """
        if self.expected:
            self._note(self.store.delivered if is_delivered else self.store.release, self.expected)

    def _note(self, how: Callable[[Expected], None], expected: Expected) -> None:
        try:
            how(expected)
        except StoreUnavailable as error:  # the response is sent; the lease on the job expires without help
            log.warning("delivery.not_noted", job_id=self.job.job_id, error=str(error))


def await_job(body: Body) -> AwaitedJob:
    """Returns the job that the current request waits for.

    If the request has an Idempotency-Key, this is the job of the first request with that key. Without a key, it is the
    job of an equal request of the same tenant whose response was not delivered. If there is none, it is a new job.
    Raises the errors of `submit`, which creates jobs.
    """
    store = services().undelivered
    if idempotency.reserved_id():
        return AwaitedJob(submit(body), store, None)
    fingerprint = idempotency.request_fingerprint()
    return _of_earlier_try(store, fingerprint) or _of_new_job(store, fingerprint, body)


def _is_marked() -> bool:
    """Returns whether the current request says that it is a retry, as OpenAI's client does."""
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
    with suppress(StoreUnavailable):  # the lease on the job expires without help
        awaited.expected = store.open(expected)
    return awaited


def _of_earlier_try(store: UndeliveredStore, fingerprint: str) -> AwaitedJob | None:
    """Returns the job that an earlier try of the current request created, if its response was not delivered.

    Returns None if there is no job of an earlier try. If other requests hold leases on all of these jobs, it waits a
    little until one is free (`_patience_s`). Raises `RequestInProgress` if the server stops or the client disconnects
    during the wait.
    """
    deps, began_at = services(), time.monotonic()
    while found := store.attach(caller().tenant, fingerprint, is_marked=_is_marked()):
        if isinstance(found, Expected):
            try:
                return AwaitedJob(deps.store.job(found.job_id, caller().tenant), store, found)
            except JobNotFound:  # the job was never created, or was deleted since
                store.delivered(found)
        elif time.monotonic() >= began_at + _patience_s(store, found):
            return None
        elif deps.stopping.is_set() or client_has_left():
            raise RequestInProgress("an earlier try of this request is still running")
        else:
            time.sleep(_POLL_S)
    return None


def _patience_s(store: UndeliveredStore, held: Held) -> float:
    """Returns how long the current request waits for the job of an equal request that still runs.

    A request that is marked as a retry waits for a whole lease: the process of the earlier request may have died. Any
    other request waits only if the earlier one is so old that its client may have timed out.
    """
    if _is_marked():
        return store.lease_s
    return _NOTICED_WITHIN_S if held.age_s >= _RETRIES_COME_AFTER_S else 0.0
