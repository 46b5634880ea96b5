"""Tells of every attempt on a render: one log line when it begins; one line, one span and a count when it ends."""

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
from shared.tracing.spans import Value, begin_span

log = structlog.get_logger()

_NS = 1_000_000_000


class End(StrEnum):
    """How an attempt ended. `lost`: another worker has the render now, or will have it; this one's result is void."""

    SUCCEEDED = "succeeded"
    FAILED = "failed"
    HANDED_BACK = "handed_back"
    CANCELLED = "cancelled"
    EXPIRED = "expired"
    LOST = "lost"


@dataclass(slots=True)
class _Attempt:
    """`left_s`: when its outcome was passed on to be recorded, and so its slot became free."""

    claim: Claim
    began_s: float
    began_ns: int
    left_s: float | None = None


class Attempts:
    """The attempts of this worker that have not ended. Safe to use from several threads. Each is told of once."""

    def __init__(self, worker_id: WorkerId) -> None:
        self._worker_id = worker_id
        self._lock = threading.Lock()
        self._running: dict[RenderId, _Attempt] = {}

    def begin(self, claim: Claim) -> None:
        """The render is claimed. An attempt before this one that was lost with its worker is told of, too: that worker
        could not.
        """
        with self._lock:
            older = self._running.get(claim.render_id)
        if older:  # its lease ended unnoticed, and this is the same render again
            self.end(older.claim.lease, End.LOST)
        attempt = _Attempt(claim, time.monotonic(), time.time_ns())
        with self._lock:
            self._running[claim.render_id] = attempt
        if claim.lost:
            _tell_lost(claim, attempt.began_ns)
        log.info("render.claimed", **_facts(claim), worker_id=self._worker_id, waited_s=claim.waited_s, **claim.log_ids)

    def leave_slot(self, lease: Lease) -> None:
        """The engine is done with the render. What it came to is known once it is recorded."""
        with self._lock:
            if attempt := self._of(lease):
                attempt.left_s = time.monotonic()

    def revoke(self, lease: Lease, end: End) -> None:
        """The store says that the lease is over. Of a render that is being recorded the recorder knows better."""
        with self._lock:
            attempt = self._of(lease)
            if attempt is None or attempt.left_s is not None:
                return
        self.end(lease, end)

    def end(self, lease: Lease, end: End, *, code: str = "", error: str = "") -> None:
        """The attempt is over. Does nothing if that was told before."""
        with self._lock:
            attempt = self._of(lease)
            if attempt is None:
                return
            del self._running[lease.render_id]
        claim, now_s = attempt.claim, time.monotonic()
        told: dict[str, Value] = {
            **_facts(claim),
            "outcome": end.value,
            "worker_id": self._worker_id,
            "waited_s": claim.waited_s,
            "slot_s": round((attempt.left_s or now_s) - attempt.began_s, 3),
            "seconds": round(now_s - attempt.began_s, 3),
        }
        if end is End.SUCCEEDED:
            told["steps"] = claim.num_steps
        if end is End.FAILED:
            told |= {"code": code, "error": error}
        _log(told, claim, end)
        _count(claim.lease.stage, end, now_s - attempt.began_s)
        _trace(claim, told, attempt.began_ns, time.time_ns(), end)

    def _of(self, lease: Lease) -> _Attempt | None:
        attempt = self._running.get(lease.render_id)
        return attempt if attempt and attempt.claim.lease == lease else None


def show_ends(stage: Stage) -> None:
    """Shows every end among the metrics from the start, so that the first one is seen as an increase from 0."""
    LEASES_LOST.labels(stage.value)
    for end in End:
        RENDERS.labels(stage.value, end.value)


@cache
def _ends(stage: Stage, end: End) -> Counter:
    """Kept, since looking for labels costs as much as counting."""
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


def _log(told: Mapping[str, Value], claim: Claim, end: End) -> None:
    tell = log.warning if end is End.FAILED else log.info
    stored = {"stored": f"{claim.folder}/"} if end is End.SUCCEEDED and claim.lease.stage is Stage.DIT else {}
    tell("render.finished", **told, **stored, **claim.log_ids)


def _tell_lost(claim: Claim, now_ns: int) -> None:
    lost = claim.lost
    assert lost
    facts = {**_facts(claim), "attempt": max(1, claim.attempt - 1), "worker_id": lost.worker_id}
    told: dict[str, Value] = {**facts, "outcome": End.LOST.value, "seconds": lost.lasted_s}
    log.warning("render.lost", **told, **claim.log_ids)
    ended_ns = now_ns - int(lost.ago_s * _NS)
    _trace(claim, told, ended_ns - int(lost.lasted_s * _NS), ended_ns, End.LOST)


def _trace(claim: Claim, told: Mapping[str, Value], began_ns: int, ended_ns: int, end: End) -> None:
    parent = claim.origin.trace if claim.origin else None
    if span := begin_span(claim.lease.stage.value, parent=parent, began_at_ns=began_ns):
        ids: dict[str, Value] = {"job_id": claim.job_id, "render_index": claim.index}
        attributes = {f"gridpress.{name}": value for name, value in {**ids, **told}.items()}
        error = end.value if end in (End.FAILED, End.LOST) else ""
        span.end(attributes, error=error, ended_at_ns=ended_ns)
