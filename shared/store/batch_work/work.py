"""Stores the work on batches: leases, steps and results.

A step that is repeated after a crash changes nothing twice.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import cast

from shared.batches.batch import Batch, BatchCost, BatchId, Cursor, Fault, LineState, Segment, line_job_prefix
from shared.errors import LeaseLost, RecordUnreadable
from shared.files import FileId
from shared.ids import HolderId, JobId, WorkerId, new_holder_id
from shared.jobs.job import Job
from shared.store.batches.batches import batch_of, segments_text
from shared.store.core.connect import Client, translated
from shared.store.core.fault_counts import FaultCounts
from shared.store.core.record_lists import readable
from shared.store.core.scripts import Scripts
from shared.store.jobs.jobs import JobStore

_PREFIX = "gridpress:"
_RANKED_AT_ONCE = 500  # jobs of up to 16 renders each


@dataclass(frozen=True, slots=True)
class BatchRules:
    """Settings of the work on batches.

    `spare` is the number of renders that a tenant's batches of one class keep open beyond those that workers hold.
    `job_stay_s` is how long a line's job stays in the store after its result is stored.
    """

    lease_ttl_s: float
    spare: int
    job_stay_s: float
    retention_s: float


@dataclass(frozen=True, slots=True)
class BatchLease:
    """The right to work on a batch. A write without a current lease is refused."""

    batch_id: BatchId
    holder: HolderId


@dataclass(frozen=True, slots=True)
class Leased:
    """A leased batch as it was read, with the number of further renders (`room`) that it should have open.

    `is_behind`: other batches of its tenant go first and leave it no room. `num_ranked` is set while jobs of its lines
    have yet to take the batch's new place.
    """

    lease: BatchLease
    batch: Batch
    room: int
    is_behind: bool = False
    num_ranked: str | None = None


@dataclass(frozen=True, slots=True)
class EndedLine:
    """A batch line whose job ended; `line` counts from 0.

    `note` is the text that was stored with the job at submission. `lives` is how often the job had been retried.
    """

    line: int
    job: Job
    note: str
    lives: str


@dataclass(frozen=True, slots=True)
class Advance:
    """The outcome of one step.

    `ended` has the lines that never become jobs. `stored` has the lines whose results are in `segments`. With
    `is_replacing` the first segment replaces the last stored one and repeats its content.
    """

    cursor: Cursor
    segments: Sequence[Segment] = ()
    is_replacing: bool = False
    ended: Mapping[int, LineState] | None = None
    stored: Sequence[EndedLine] = ()


class BatchWork:
    """Leases batches and writes their steps.

    Every write raises `LeaseLost` when the lease has ended or another worker holds the batch. Every method raises
    `StoreUnavailable`.
    """

    def __init__(self, client: Client, rules: BatchRules, worker: WorkerId | None = None) -> None:
        """`worker` is put into the leases, so that they can be freed when that worker's process ends."""
        self._worker = worker
        self._client = client
        self._rules = rules
        self._scripts = Scripts(client)
        self._jobs = JobStore(client)
        self._faults = FaultCounts(client)

    def claim(self) -> BatchLease | None:
        """Leases the batch that has waited longest. Returns None when no batch is due."""
        holder = new_holder_id(self._worker)
        found = self._scripts.run("claim_batch", holder, self._lease_ms, self._rules.spare)
        return BatchLease(found, holder) if found else None

    def look(self, lease: BatchLease) -> Leased:
        """Renews the lease and returns the batch as it is now.

        Raises `RecordUnreadable` after it put the batch aside.
        """
        self.renew(lease)
        with translated():
            fields = cast("dict[str, str]", self._client.hgetall(f"{_PREFIX}batch:{lease.batch_id}"))
        rows = [(lease.batch_id, (lease, fields))]
        try:
            return readable(self._faults, "batch", rows, _leased, is_asked_for=True)[0]
        except RecordUnreadable as error:
            self._scripts.run("set_aside", "batch_work", lease.batch_id, "batch_work", str(error), "")
            raise

    def renew(self, lease: BatchLease) -> None:
        self._write("renew_batch", lease, self._lease_ms)

    def rest(self, lease: BatchLease, delay_s: float, waiting_for: str = "", *, is_slow: bool = False) -> None:
        """Ends a step and the lease. The batch is due again when a result can be stored, and after `delay_s` at the
        latest. `is_slow`: its lines wait for pictures to be fetched, so the batches behind may use its room.
        """
        self._write("rest_batch", lease, int(delay_s * 1000), waiting_for, int(is_slow))

    def rank_lines(self, found: Leased) -> None:
        """Gives the jobs of released lines the rank that the batch's new place says. A crash leaves it to be done
        again.
        """
        if found.num_ranked is None:
            return
        lease, prefix = found.lease, line_job_prefix(found.batch.batch_id)
        for status in ("queued", "running"):  # a job goes from the first list to the second, never back
            self._rank_each(lease, status, prefix)
        self._write("ranked_lines", lease, found.num_ranked)

    def start(
        self,
        lease: BatchLease,
        states: Sequence[LineState],
        segments: Sequence[Segment],
        cost: BatchCost | None = None,
    ) -> None:
        """Ends validation and starts the batch. `segments` hold the results of the invalid lines, `cost` is that of
        the others; None where the lines were known before.
        """
        total, num_bad = len(states) - states.count(LineState.LEFT_OUT), states.count(LineState.INVALID)
        self._write("start_batch", lease, "".join(states), total, num_bad, segments_text(segments), _cost_text(cost))

    def refuse(self, lease: BatchLease, faults: Sequence[Fault]) -> None:
        """Fails the batch, because its file is not a valid batch file."""
        errors = ",".join(fault.model_dump_json() for fault in faults)
        self._write("refuse_batch", lease, f"[{errors}]")

    def ended(self, batch_id: BatchId, most: int) -> list[EndedLine]:
        """Returns up to `most` lines whose jobs ended and whose results are not stored yet, the earliest end first."""
        with translated():
            ids = cast("list[JobId]", self._client.lrange(f"{_PREFIX}batch_ended:{batch_id}", 0, most - 1))
            pipeline = self._client.pipeline(transaction=False)
            for job_id in ids:
                pipeline.hmget(f"{_PREFIX}job:{job_id}", ["line", "note", "revivals"])
            kept = dict(zip(ids, pipeline.execute(), strict=True))
        return [_ended(job, *kept[job.job_id]) for job in self._jobs.standing(ids)]

    def advance(self, lease: BatchLease, done: Advance) -> bool:
        """Commits a step as a whole.

        Returns False, and changes nothing, when a job in `stored` was retried meanwhile.
        """
        ended = " ".join(f"{line}:{state}" for line, state in (done.ended or {}).items())
        stay_ms, kept_ms = int(self._rules.job_stay_s * 1000), int(self._rules.retention_s * 1000)
        segments, is_replacing = segments_text(done.segments), int(done.is_replacing)
        place = (done.cursor.line, done.cursor.offset)
        stored = [text for each in done.stored for text in (each.job.job_id, each.lives)]
        return (
            self._write("advance_batch", lease, *place, ended, segments, is_replacing, stay_ms, kept_ms, *stored) == 1
        )

    def finalize(self, lease: BatchLease) -> bool:
        """Returns whether every line has its result. If so, the output files can be written."""
        return bool(self._scripts.run("finalize_batch", lease.batch_id, lease.holder))

    def finish(self, lease: BatchLease, output: FileId | None, errors: FileId | None) -> None:
        """Ends the batch with its output files. Files from before a retry of the same batch are deleted."""
        self._write("finish_batch", lease, output or "", errors or "")

    @property
    def renew_every_s(self) -> float:
        """The interval at which a long step has to renew its lease, in seconds."""
        return self._rules.lease_ttl_s / 3

    def _rank_each(self, lease: BatchLease, status: str, prefix: str) -> None:
        last, has_more = "", True
        while has_more:
            args = (lease.batch_id, lease.holder, status, prefix, last, _RANKED_AT_ONCE)
            is_ours, *rest = self._scripts.run("rank_lines", *args)
            if not is_ours:
                raise LeaseLost(f"{lease.batch_id} is another worker's")
            [last] = rest
            has_more = last != ""

    @property
    def _lease_ms(self) -> int:
        return int(self._rules.lease_ttl_s * 1000)

    def _write(self, script: str, lease: BatchLease, *args: str | int) -> int:
        answer = int(self._scripts.run(script, lease.batch_id, lease.holder, *args))
        if not answer:
            raise LeaseLost(f"{lease.batch_id} is another worker's")
        return answer


def _leased(batch_id: BatchId, row: tuple[BatchLease, Mapping[str, str]]) -> Leased:
    lease, fields = row
    target, num_open = int(fields.get("target", 0)), int(fields["renders"])
    return Leased(lease, batch_of(batch_id, fields), target - num_open, "is_behind" in fields, fields.get("num_ranked"))


def _cost_text(cost: BatchCost | None) -> str:
    return json.dumps(asdict(cost)) if cost else ""


def _ended(job: Job, line: str, note: str, lives: str | None) -> EndedLine:
    return EndedLine(int(line), job, note, lives or "")
