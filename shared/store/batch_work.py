"""What is to be done for batches: leased like renders, written so that no crash repeats or loses anything."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import cast

from shared.batches import Batch, BatchId, Cursor, Fault, LineState, Segment
from shared.errors import LeaseLost
from shared.files import FileId
from shared.ids import HolderId, JobId, WorkerId, new_holder_id
from shared.jobs import Job
from shared.store.batches import batch_of, segments_text
from shared.store.connect import Client, translated
from shared.store.jobs import JobStore
from shared.store.scripts import Scripts

_PREFIX = "gridpress:"


@dataclass(frozen=True, slots=True)
class BatchRules:
    """`spare`: renders that a batch has open beside those that the workers hold; `job_stay_s`: for how long the job of
    a line stays in the store once its result is stored.
    """

    lease_ttl_s: float
    spare: int
    job_stay_s: float
    retention_s: float


@dataclass(frozen=True, slots=True)
class BatchLease:
    """The right to work on a batch. What is written without it is refused."""

    batch_id: BatchId
    holder: HolderId


@dataclass(frozen=True, slots=True)
class Leased:
    """A leased batch as it stands, and how many more renders it should have open."""

    lease: BatchLease
    batch: Batch
    room: int


@dataclass(frozen=True, slots=True)
class EndedLine:
    """A line, counted from 0, whose job ended, and the note that was kept with it. `lives`: how many it had before."""

    line: int
    job: Job
    note: str
    lives: str


@dataclass(frozen=True, slots=True)
class Advance:
    """What one step did. `ended`: lines that never become jobs; `stored`: those whose results are in `segments`.

    `is_replacing`: the first segment holds what the last one held, too.
    """

    cursor: Cursor
    segments: Sequence[Segment] = ()
    is_replacing: bool = False
    ended: Mapping[int, LineState] | None = None
    stored: Sequence[EndedLine] = ()


class BatchWork:
    """Every write raises `LeaseLost` when another worker has the batch, or will; all raise `StoreUnavailable`."""

    def __init__(self, client: Client, rules: BatchRules, worker: WorkerId | None = None) -> None:
        """`worker`: whoever sees it end may free its leases."""
        self._worker = worker
        self._client = client
        self._rules = rules
        self._scripts = Scripts(client)
        self._jobs = JobStore(client)

    def claim(self) -> BatchLease | None:
        """Leases the batch that has waited longest, or finds nothing."""
        holder = new_holder_id(self._worker)
        found = self._scripts.run("claim_batch", holder, self._lease_ms, self._rules.spare)
        return BatchLease(found, holder) if found else None

    def look(self, lease: BatchLease) -> Leased:
        """As it stands now; the lease is prolonged."""
        self.renew(lease)
        with translated():
            fields = cast("dict[str, str]", self._client.hgetall(f"{_PREFIX}batch:{lease.batch_id}"))
        room = int(fields.get("target", 0)) - int(fields["renders"])
        return Leased(lease, batch_of(lease.batch_id, fields), room)

    def renew(self, lease: BatchLease) -> None:
        self._write("renew_batch", lease, self._lease_ms)

    def rest(self, lease: BatchLease, delay_s: float, waiting_for: str = "") -> None:
        """Done for now. It is due again when a result is to be stored, and after the delay at the latest."""
        self._write("rest_batch", lease, int(delay_s * 1000), waiting_for)

    def start(self, lease: BatchLease, states: Sequence[LineState], segments: Sequence[Segment]) -> None:
        """Its lines were looked at; the segments hold the results of the bad ones."""
        total, num_bad = len(states) - states.count(LineState.LEFT_OUT), states.count(LineState.INVALID)
        self._write("start_batch", lease, "".join(states), total, num_bad, segments_text(segments))

    def refuse(self, lease: BatchLease, faults: Sequence[Fault]) -> None:
        """Its file is not a batch: it failed."""
        errors = ",".join(fault.model_dump_json() for fault in faults)
        self._write("refuse_batch", lease, f"[{errors}]")

    def ended(self, batch_id: BatchId, most: int) -> list[EndedLine]:
        """Lines that ended with their jobs and whose results are not stored yet, the first to end in front."""
        with translated():
            ids = cast("list[JobId]", self._client.lrange(f"{_PREFIX}batch_ended:{batch_id}", 0, most - 1))
            pipeline = self._client.pipeline(transaction=False)
            for job_id in ids:
                pipeline.hmget(f"{_PREFIX}job:{job_id}", ["line", "note", "revivals"])
            kept = dict(zip(ids, pipeline.execute(), strict=True))
        return [_ended(job, *kept[job.job_id]) for job in self._jobs.standing(ids)]

    def advance(self, lease: BatchLease, done: Advance) -> bool:
        """Commits a step, all of it or nothing: nothing when a job whose result was stored goes on since."""
        ended = " ".join(f"{line}:{state}" for line, state in (done.ended or {}).items())
        stay_ms, kept_ms = int(self._rules.job_stay_s * 1000), int(self._rules.retention_s * 1000)
        segments, is_replacing = segments_text(done.segments), int(done.is_replacing)
        place = (done.cursor.line, done.cursor.offset)
        stored = [text for each in done.stored for text in (each.job.job_id, each.lives)]
        return (
            self._write("advance_batch", lease, *place, ended, segments, is_replacing, stay_ms, kept_ms, *stored) == 1
        )

    def finalize(self, lease: BatchLease) -> bool:
        """Whether every line has its result, so that the files can be written."""
        return bool(self._scripts.run("finalize_batch", lease.batch_id, lease.holder))

    def finish(self, lease: BatchLease, output: FileId | None, errors: FileId | None) -> None:
        """The files are written: it is over. Those that it had before a retry in place are deleted with that."""
        self._write("finish_batch", lease, output or "", errors or "")

    @property
    def renew_every_s(self) -> float:
        """How often whoever takes long is to renew its lease."""
        return self._rules.lease_ttl_s / 3

    @property
    def _lease_ms(self) -> int:
        return int(self._rules.lease_ttl_s * 1000)

    def _write(self, script: str, lease: BatchLease, *args: str | int) -> int:
        answer = int(self._scripts.run(script, lease.batch_id, lease.holder, *args))
        if not answer:
            raise LeaseLost(f"{lease.batch_id} is another worker's")
        return answer


def _ended(job: Job, line: str, note: str, lives: str | None) -> EndedLine:
    return EndedLine(int(line), job, note, lives or "")
