"""Reports every attempt on a render: with a log line when it begins, and with a log line, a trace span and metrics when
it ends.
"""

import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import cache

import structlog
from prometheus_client import Counter, Histogram

from shared.ids import RenderId, WorkerId
from shared.jobs.leases import Claim, Lease
from shared.jobs.states import Stage
from shared.metrics.catalogue import LEASES_LOST, RENDER_SECONDS, RENDERS
from shared.tracing.span import Value
from shared.tracing.spans import begin_span

log = structlog.get_logger()

_NS = 1_000_000_000


class End(StrEnum):
    """The way in which an attempt on a render ended.

    `reused` means that an earlier picture of the same request was copied.
    `lost` means that another worker has the render or will get it, so the result of this attempt is void.
    """

    SUCCEEDED = "succeeded"
    REUSED = "reused"
    FAILED = "failed"
    HANDED_BACK = "handed_back"
    CANCELLED = "cancelled"
    EXPIRED = "expired"
    LOST = "lost"


@dataclass(slots=True)
class _Attempt:
    """An attempt on a render that has not ended.

    `left_s` is the time of the monotonic clock at which the attempt's outcome was passed to the recorder, so that the
    slot became free.
    """

    claim: Claim
    began_s: float
    began_ns: int
    left_s: float | None = None


class Attempts:
    """Tracks this worker's attempts that have not ended, and reports each end once. Safe to use from
    several threads.
    """

    def __init__(self, worker_id: WorkerId) -> None:
        self._worker_id = worker_id
        self._lock = threading.Lock()
        self._running: dict[RenderId, _Attempt] = {}

    def begin(self, claim: Claim) -> None:
        """Reports that an attempt on a render begins.

        If an earlier attempt was lost because its worker died, the claim says so. Then this method also reports the
        earlier attempt as lost, because the worker that died could not.
        """
        with self._lock:
            older = self._running.get(claim.render_id)
        if older:  # its lease expired unnoticed, and this worker has claimed the render again
            self.end(older.claim.lease, End.LOST)
        attempt = _Attempt(claim, time.monotonic(), time.time_ns())
        with self._lock:
            self._running[claim.render_id] = attempt
        if claim.lost:
            _report_lost(claim, attempt.began_ns)
        log.info("render.claimed", **_facts(claim), worker_id=self._worker_id, waited_s=claim.waited_s, **claim.log_ids)

    def leave_slot(self, lease: Lease) -> None:
        """Records that the render has left its slot. The end of the attempt is reported later, when the outcome of the
        render is recorded.
        """
        with self._lock:
            if attempt := self._of(lease):
                attempt.left_s = time.monotonic()

    def revoke(self, lease: Lease, end: End) -> None:
        """Reports the end of an attempt, because the store says that its lease is over.

        Does nothing if the render's outcome is already being recorded. In that case the recorder reports the end,
        because only the recorder knows whether the outcome was stored.
        """
        with self._lock:
            attempt = self._of(lease)
            if attempt is None or attempt.left_s is not None:
                return
        self.end(lease, end)

    def end(self, lease: Lease, end: End, *, code: str = "", error: str = "") -> None:
        """Reports the end of an attempt with a log line, metrics and a span. Does nothing if the end was already
        reported.
        """
        with self._lock:
            attempt = self._of(lease)
            if attempt is None:
                return
            del self._running[lease.render_id]
        claim, now_s = attempt.claim, time.monotonic()
        fields: dict[str, Value] = {
            **_facts(claim),
            "outcome": end.value,
            "worker_id": self._worker_id,
            "waited_s": claim.waited_s,
            "slot_s": round((attempt.left_s or now_s) - attempt.began_s, 3),
            "seconds": round(now_s - attempt.began_s, 3),
        }
        if end is End.SUCCEEDED:
            fields["steps"] = claim.num_steps
        if end is End.FAILED:
            fields |= {"code": code, "error": error}
        _log(fields, claim, end)
        _count(claim.lease.stage, end, now_s - attempt.began_s)
        _trace(claim, fields, attempt.began_ns, time.time_ns(), end)

    def _of(self, lease: Lease) -> _Attempt | None:
        attempt = self._running.get(lease.render_id)
        return attempt if attempt and attempt.claim.lease == lease else None


def show_ends(stage: Stage) -> None:
    """Creates the counters of all ways in which an attempt can end, with the value 0. So the first event shows as an
    increase.
    """
    LEASES_LOST.labels(stage.value)
    for end in End:
        RENDERS.labels(stage.value, end.value)


@cache
def _ends(stage: Stage, end: End) -> Counter:
    """Returns the counter of attempts that ended in this way. It is cached, because looking up labels takes as long as
    counting.
    """
    return RENDERS.labels(stage.value, end.value)


@cache
def _seconds_of(stage: Stage) -> Histogram:
    return RENDER_SECONDS.labels(stage.value)


def _count(stage: Stage, end: End, lasted_s: float) -> None:
    _ends(stage, end).inc()
    if end in (End.SUCCEEDED, End.FAILED):
        _seconds_of(stage).observe(lasted_s)
    if end is End.LOST:
        LEASES_LOST.labels(stage.value).inc()


def _facts(claim: Claim) -> dict[str, Value]:
    width_px, height_px = claim.settings.width_px, claim.settings.height_px
    return {"stage": claim.lease.stage.value, "attempt": claim.attempt, "size": f"{width_px}x{height_px}"}


def _log(fields: Mapping[str, Value], claim: Claim, end: End) -> None:
    write = log.warning if end is End.FAILED else log.info
    stored = {"stored": f"{claim.folder}/"} if end is End.SUCCEEDED and claim.lease.stage is Stage.DIT else {}
    write("render.finished", **fields, **stored, **claim.log_ids)


def _report_lost(claim: Claim, now_ns: int) -> None:
    lost = claim.lost
    assert lost
    facts = {**_facts(claim), "attempt": max(1, claim.attempt - 1), "worker_id": lost.worker_id}
    fields: dict[str, Value] = {**facts, "outcome": End.LOST.value, "seconds": lost.lasted_s}
    log.warning("render.lost", **fields, **claim.log_ids)
    ended_ns = now_ns - int(lost.ago_s * _NS)
    _trace(claim, fields, ended_ns - int(lost.lasted_s * _NS), ended_ns, End.LOST)


def _trace(claim: Claim, fields: Mapping[str, Value], began_ns: int, ended_ns: int, end: End) -> None:
    parent = claim.origin.trace if claim.origin else None
    if span := begin_span(claim.lease.stage.value, parent=parent, began_at_ns=began_ns):
        ids: dict[str, Value] = {"job_id": claim.job_id, "render_index": claim.index}
        attributes = {f"gridpress.{name}": value for name, value in {**ids, **fields}.items()}
        error = end.value if end in (End.FAILED, End.LOST) else ""
        span.end(attributes, error=error, ended_at_ns=ended_ns)
