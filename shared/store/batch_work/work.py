"""Stores the work on batches: leases of batches, the steps of the work, and the results of lines.

After a crash a worker may commit the same step once more. The second commit changes nothing.
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

    Together, a tenant's batches of one class have two open renders (released and not ended) for each slot of the live
    workers, and `spare` more. `job_stay_s` is how long a line's job stays in the store after its result is stored.
    """

    lease_ttl_s: float
    spare: int
    job_stay_s: float
    retention_s: float


@dataclass(frozen=True, slots=True)
class BatchLease:
    """The lease of a worker on a batch. The store refuses a write when this lease is not the current one."""

    batch_id: BatchId
    holder: HolderId


@dataclass(frozen=True, slots=True)
class Leased:
    """A leased batch, as it was read from the store. `room` is the number of renders that the batch should create now.

    `is_behind` means that earlier batches of the tenant leave no room for this one. After the batch was moved in the
    order of its tenant's batches, its jobs need a new rank. `num_ranked` is set until all of them have it.
    """

    lease: BatchLease
    batch: Batch
    room: int
    is_behind: bool = False
    num_ranked: str | None = None


@dataclass(frozen=True, slots=True)
class EndedLine:
    """A batch line whose job ended. `line` counts from 0.

    `note` is the text that was stored with the job at its submission. `lives` is the number of retries of the job up to
    the time when it was read, or '' if there was none.
    """

    line: int
    job: Job
    note: str
    lives: str


@dataclass(frozen=True, slots=True)
class Advance:
    """The outcome of one step of work on a batch.

    `ended` maps lines that ended without a job to their final states. `segments` are new objects with results, and
    `stored` are the lines with these results. If `is_replacing` is true, the first segment replaces the last stored
    segment. It then also contains the results of the replaced segment. `copied_bytes` are the bytes of the pictures
    that were copied into the batch's folder for outputs; they count as stored by the tenant.
    """

    cursor: Cursor
    segments: Sequence[Segment] = ()
    is_replacing: bool = False
    ended: Mapping[int, LineState] | None = None
    stored: Sequence[EndedLine] = ()
    copied_bytes: int = 0


class BatchWork:
    """Leases batches and commits the steps of work on them.

    Every write raises `LeaseLost` when the lease has ended or another worker holds the batch. Every method raises
    `StoreUnavailable` when the store does not answer.
    """

    def __init__(self, client: Client, rules: BatchRules, worker: WorkerId | None = None) -> None:
        """Creates a client of the store for one worker. `worker` is the id of the worker process.

        The holder id of every lease contains this id, so all leases of the process can be freed when it ends.
        """
        self._worker = worker
        self._client = client
        self._rules = rules
        self._scripts = Scripts(client)
        self._jobs = JobStore(client)
        self._faults = FaultCounts(client)

    def claim(self) -> BatchLease | None:
        """Leases the batch that has been due for the longest time. Returns None when no batch is due."""
        holder = new_holder_id(self._worker)
        found = self._scripts.run("claim_batch", holder, self._lease_ms, self._rules.spare)
        return BatchLease(found, holder) if found else None

    def look(self, lease: BatchLease) -> Leased:
        """Renews the lease of a batch, and returns the batch as it is in the store now.

        If the batch's record can't be read, sets the batch aside (takes it out of the queue) and raises
        `RecordUnreadable`.
        """
        self.renew(lease)
        with translated():
            fields = cast("dict[str, str]", self._client.hgetall(f"{_PREFIX}batch:{lease.batch_id}"))
        rows = [(lease.batch_id, (lease, fields))]
        try:
            return readable(self._faults, "batch", rows, _leased, is_strict=True)[0]
        except RecordUnreadable as error:
            self._scripts.run("set_aside", "batch_work", lease.batch_id, "batch_work", str(error), "")
            raise

    def renew(self, lease: BatchLease) -> None:
        """Extends the lease of the batch: its full length counts from now."""
        self._write("renew_batch", lease, self._lease_ms)

    def rest(self, lease: BatchLease, delay_s: float, waiting_for: str = "", *, is_slow: bool = False) -> None:
        """Ends a step of work and the lease of the batch. The batch is due again after `delay_s`, or earlier when a
        result can be stored.

        `waiting_for` is the reason why no line can become a job now, or ''. `is_slow` means that the batch's lines wait
        for input images to be fetched. Until they are fetched, the tenant's next batches may create jobs in place of
        this batch.
        """
        self._write("rest_batch", lease, int(delay_s * 1000), waiting_for, int(is_slow))

    def rank_lines(self, found: Leased) -> None:
        """Gives the jobs of a batch's lines a new rank. Call this after the batch was moved in the order of its
        tenant's batches.

        A rank orders waiting renders. If the worker crashes before the last job, the next worker starts from the first
        job again.
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
        """Ends the validation of a batch and starts the batch.

        `states` has the state of every line, `segments` are objects with the results of the invalid lines, and `cost`
        is the cost of the valid lines. If the batch retries lines of another batch, the store has these values already.
        Then `states` and `segments` are empty and `cost` is None.
        """
        total, num_bad = len(states) - states.count(LineState.LEFT_OUT), states.count(LineState.INVALID)
        self._write("start_batch", lease, "".join(states), total, num_bad, segments_text(segments), _cost_text(cost))

    def refuse(self, lease: BatchLease, faults: Sequence[Fault]) -> None:
        """Fails a batch, because its input file is not a valid batch file. `faults` are the reasons."""
        errors = ",".join(fault.model_dump_json() for fault in faults)
        self._write("refuse_batch", lease, f"[{errors}]")

    def ended(self, batch_id: BatchId, most: int) -> list[EndedLine]:
        """Returns up to `most` lines of a batch: lines whose job has ended and whose result is not stored yet. The line
        whose job ended first comes first.
        """
        with translated():
            ids = cast("list[JobId]", self._client.lrange(f"{_PREFIX}batch_ended:{batch_id}", 0, most - 1))
            pipeline = self._client.pipeline(transaction=False)
            for job_id in ids:
                pipeline.hmget(f"{_PREFIX}job:{job_id}", ["line", "note", "revivals"])
            found = dict(zip(ids, pipeline.execute(), strict=True))
        return [_ended(job, *found[job.job_id]) for job in self._jobs.existing(ids)]

    def advance(self, lease: BatchLease, done: Advance) -> bool:
        """Commits one step of work on a batch, with one script. Returns True if it was committed.

        Returns False, and changes nothing, when a job in `stored` was retried after its result was read.
        """
        ended = " ".join(f"{line}:{state}" for line, state in (done.ended or {}).items())
        stay_ms, retention_ms = int(self._rules.job_stay_s * 1000), int(self._rules.retention_s * 1000)
        segments, is_replacing = segments_text(done.segments), int(done.is_replacing)
        cursor = (done.cursor.line, done.cursor.offset)
        stored = [text for each in done.stored for text in (each.job.job_id, each.lives)]
        how = (ended, segments, is_replacing, stay_ms, retention_ms, done.copied_bytes)
        return self._write("advance_batch", lease, *cursor, *how, *stored) == 1

    def finalize(self, lease: BatchLease) -> bool:
        """Returns whether every line of a batch has its result. If every line has one, also changes the batch's status
        to `finalizing`, so that its output files can be written.
        """
        return bool(self._scripts.run("finalize_batch", lease.batch_id, lease.holder))

    def finish(self, lease: BatchLease, output: FileId | None, errors: FileId | None) -> None:
        """Ends a batch and stores the ids of its output files. If the batch was retried, its former output files are
        deleted.
        """
        self._write("finish_batch", lease, output or "", errors or "")

    @property
    def renew_every_s(self) -> float:
        """The interval in seconds at which a long step of work has to renew the batch's lease."""
        return self._rules.lease_ttl_s / 3

    def _rank_each(self, lease: BatchLease, status: str, prefix: str) -> None:
        last, has_more = "", True
        while has_more:
            args = (lease.batch_id, lease.holder, status, prefix, last, _RANKED_AT_ONCE)
            is_ours, *rest = self._scripts.run("rank_lines", *args)
            if not is_ours:
                raise LeaseLost(f"the lease on {lease.batch_id} was lost")
            [last] = rest
            has_more = last != ""

    @property
    def _lease_ms(self) -> int:
        return int(self._rules.lease_ttl_s * 1000)

    def _write(self, script: str, lease: BatchLease, *args: str | int) -> int:
        answer = int(self._scripts.run(script, lease.batch_id, lease.holder, *args))
        if not answer:
            raise LeaseLost(f"the lease on {lease.batch_id} was lost")
        return answer


def _leased(batch_id: BatchId, row: tuple[BatchLease, Mapping[str, str]]) -> Leased:
    lease, fields = row
    target, num_open = int(fields.get("target", 0)), int(fields["renders"])
    return Leased(lease, batch_of(batch_id, fields), target - num_open, "is_behind" in fields, fields.get("num_ranked"))


def _cost_text(cost: BatchCost | None) -> str:
    return json.dumps(asdict(cost)) if cost else ""


def _ended(job: Job, line: str, note: str, lives: str | None) -> EndedLine:
    return EndedLine(int(line), job, note, lives or "")
