"""Leads a retry of OpenAI's client to the job that an earlier try made, until that job's answer has arrived."""

import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass

import structlog
from flask import request

from api.edge import idempotency
from api.edge.callers import caller
from api.jobs.submission import submit
from api.openai.errors import JobNotMade, StillRendering
from api.problems.errors import RequestInProgress
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
class Delivery:
    """A job and one request that waits for its answer. `is_held`: this is a retry, and no other may have the job."""

    job: Job
    store: UndeliveredStore
    expected: Expected | None
    is_held: bool = False
    held_at: float = 0.0

    def wait(self, timeout_s: float) -> None:
        """Until the job has succeeded. Raises `JobNotMade`, `StillRendering` and what `until_final` raises."""
        try:
            self._wait(timeout_s)
        except GridpressError:
            self.end(is_told=False)
            raise
        if self.job.status is JobStatus.SUCCEEDED:
            return
        is_final = self.job.status.is_final
        self.end(is_told=is_final and not client_has_left())
        raise JobNotMade(self.job) if is_final else StillRendering(self.job)

    def handing_over(self, pieces: Iterable[bytes], is_told: Callable[[], bool]) -> Iterator[bytes]:
        """The pieces of the answer. It has arrived when the last one was handed to the connection."""
        is_sent = False
        try:
            for piece in pieces:
                yield piece
                self.hold()
            is_sent = True
        finally:
            self.end(is_told=is_sent and is_told())

    def hold(self) -> None:
        """Called every few seconds, it keeps other retries away."""
        if self.is_held and self.expected and time.monotonic() > self.held_at + self.store.lease_s / 4:
            self.held_at = time.monotonic()
            self._note(self.store.hold, self.expected)

    def end(self, *, is_told: bool) -> None:
        """This request is over; unless its answer arrived, a retry may have the job."""
        if self.expected:
            self._note(self.store.delivered if is_told else self.store.release, self.expected)

    def _wait(self, timeout_s: float) -> None:
        house, ends_at = services(), time.monotonic() + timeout_s
        while not self.job.status.is_final and (left_s := ends_at - time.monotonic()) > 0:
            self.job = until_final(self.job, min(left_s, self.store.lease_s / 4) if self.is_held else left_s)
            if house.stopping.is_set() or client_has_left():
                return
            self.hold()

    def _note(self, how: Callable[[Expected], None], expected: Expected) -> None:
        try:
            how(expected)
        except StoreUnavailable as error:  # what was sent is sent; holds end by themselves
            log.warning("delivery.not_noted", job_id=self.job.job_id, error=str(error))


def begin_delivery(body: Body) -> Delivery:
    """The job of an earlier try, if this is a retry that finds one; else a new one.

    An Idempotency-Key leads to its job by itself. Raises what `submit` raises.
    """
    store = services().undelivered
    if idempotency.reserved_id():
        return Delivery(submit(body), store, None)
    fingerprint = idempotency.request_fingerprint()
    return (_attached(store, fingerprint) if _is_retry() else None) or _made(store, fingerprint, body)


def _is_retry() -> bool:
    count = request.headers.get(RETRY_COUNT, "0")
    return count.isascii() and count.isdecimal() and int(count[:9]) > 0


def _made(store: UndeliveredStore, fingerprint: str, body: Body) -> Delivery:
    """Noted first: a client may lose patience, and try again, before the job stands."""
    expected = store.expect(caller().tenant, fingerprint, new_job_id())
    try:
        delivery = Delivery(submit(body, job_id=expected.job_id), store, expected)
    except StoreUnavailable:  # it may stand nonetheless, for a retry to find
        with suppress(StoreUnavailable):
            store.release(expected)
        raise
    except GridpressError:
        store.delivered(expected)
        raise
    delivery.end(is_told=False)
    return delivery


def _attached(store: UndeliveredStore, fingerprint: str) -> Delivery | None:
    """While all are held it waits: the hold of a lost connection, maybe of this client, ends within a lease.

    Raises `RequestInProgress` when it may wait no longer.
    """
    house, ends_at = services(), time.monotonic() + store.lease_s
    while time.monotonic() < ends_at:
        found = store.attach(caller().tenant, fingerprint)
        if found is None:
            return None
        if isinstance(found, Expected):
            try:
                return Delivery(house.store.job(found.job_id, caller().tenant), store, found, True, time.monotonic())
            except JobNotFound:  # it was refused, or deleted since
                store.delivered(found)
        elif house.stopping.is_set() or client_has_left():
            raise RequestInProgress("an earlier try of this request is still being answered")
        else:
            time.sleep(_POLL_S)
    return None
