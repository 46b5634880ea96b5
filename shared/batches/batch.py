"""Defines batches. A batch processes a file that has one request per line. Does no I/O."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import astuple, dataclass
from datetime import datetime
from enum import StrEnum
from typing import Literal, NewType

from pydantic import BaseModel, ConfigDict
from ulid import ULID

from shared.files import FileId
from shared.ids import JobId, ObjectKey, TenantId, ulid_of
from shared.jobs.bucket_copy import BucketCopy
from shared.jobs.spec import Priority
from shared.tracing.origin import Origin, log_ids
from shared.webhooks.events import PayloadStyle

BatchId = NewType("BatchId", str)
Endpoint = Literal["/v1/jobs", "/v1/images/generations", "/v1/images/edits"]

NATIVE: Endpoint = "/v1/jobs"


class BatchStatus(StrEnum):
    """The status of a batch, with the values of OpenAI's Batch API."""

    VALIDATING = "validating"
    FAILED = "failed"
    IN_PROGRESS = "in_progress"
    FINALIZING = "finalizing"
    COMPLETED = "completed"
    EXPIRED = "expired"
    CANCELLING = "cancelling"
    CANCELLED = "cancelled"

    @property
    def is_final(self) -> bool:
        return self in (self.FAILED, self.COMPLETED, self.EXPIRED, self.CANCELLED)


class BatchPriority(StrEnum):
    """The priority of a batch. It sets the scheduling class of the batch's lines, and orders the batches of one tenant.

    The lines of an `interactive` batch are in the scheduling class `interactive`. The lines of all other batches are in
    the class `batch`, in which batches go in the order `high`, `batch`, `low`.
    """

    LOW = "low"
    BATCH = "batch"
    HIGH = "high"
    INTERACTIVE = "interactive"

    @property
    def scheduling_class(self) -> Priority:
        return Priority.INTERACTIVE if self is BatchPriority.INTERACTIVE else Priority.BATCH

    @property
    def order(self) -> int:
        """Returns the rank of this priority among the batches of one tenant and class. The batch with the lowest rank
        goes first.
        """
        return {BatchPriority.HIGH: -1, BatchPriority.LOW: 1}.get(self, 0)

    @classmethod
    def of(cls, scheduling_class: Priority, order: int) -> "BatchPriority":
        """Returns the batch priority that has this scheduling class and this `order`, its rank among batches of the
        class.
        """
        if scheduling_class is Priority.INTERACTIVE:
            return cls.INTERACTIVE
        return {-1: cls.HIGH, 1: cls.LOW}.get(order, cls.BATCH)


@dataclass(frozen=True, slots=True)
class Precedence:
    """The rank of a batch among the batches of the same tenant: first by priority, then by `finish_by` (UTC), then by
    age.

    shared/store/batches/batch_order.lua implements this order.
    """

    priority: BatchPriority = BatchPriority.BATCH
    finish_by: datetime | None = None


class LineState(StrEnum):
    """The state of a batch line, stored as one character. As long as a line waits, this character is all that the store
    holds about the line.
    """

    WAITING = "w"
    OPEN = "o"  # the line is a job now
    SUCCEEDED = "s"
    FAILED = "f"
    INVALID = "i"  # the request of the line is invalid
    CANCELLED = "c"
    EXPIRED = "x"
    REJECTED = "r"  # refused by a content hook
    LEFT_OUT = "-"  # blank, or this batch retries only other lines of the file


class Defaults(BaseModel):
    """Default values of a batch for fields that its lines leave out. The default seed of a line is `seed` plus the
    number of the line, counted from 0.
    """

    model_config = ConfigDict(frozen=True)

    model: str | None = None
    size: str | None = None
    n: int | None = None
    num_inference_steps: int | None = None
    guidance_scale: float | None = None
    quality: str | None = None
    output_format: str | None = None
    reuse: bool | None = None
    seed: int | None = None


class BatchSpec(BaseModel):
    """An accepted request for a batch.

    - `priority` is the scheduling class of the batch's lines.
    - `window_s`: the batch expires this many seconds after its creation.
    - `output_lifetime_s`: the result files expire this many seconds after the batch's end.
    - `delete_after_s`: the batch is deleted this many seconds after its end.
    - `strict`: one invalid line makes the whole batch fail.
    - `output_prefix`: the pictures are also copied into a folder with this name (see `shared.batches.outputs`).
    - `models` are the only models that lines may name, because the batch's API key is for these; empty: all.
    - The webhook reports events of the batch, never of single lines.
    """

    model_config = ConfigDict(hide_input_in_errors=True, frozen=True)

    tenant: TenantId
    input_file_id: FileId
    endpoint: Endpoint
    window: str
    window_s: int
    metadata: Mapping[str, str] = {}
    defaults: Defaults = Defaults()
    priority: Priority = Priority.BATCH
    strict: bool = False
    deadline: datetime | None = None
    output_lifetime_s: int | None = None
    delete_after_s: int | None = None
    retry_of: BatchId | None = None
    output_prefix: str | None = None
    models: tuple[str, ...] = ()
    webhook_url: str | None = None
    webhook_events: tuple[str, ...] = ()
    webhook_payload: PayloadStyle = PayloadStyle.FULL
    webhook_secret: str | None = None


@dataclass(frozen=True, slots=True)
class BatchCost:
    """The cost of batch lines: how many lines, pictures and pixels they have, and the work of both stages in units of
    `shared.schedule.cost`.
    """

    lines: int = 0
    pictures: int = 0
    pixels: int = 0
    ar: int = 0
    dit: int = 0

    def __add__(self, other: "BatchCost") -> "BatchCost":
        pairs = zip(astuple(self), astuple(other), strict=True)
        return BatchCost(*(one + more for one, more in pairs))


class Fault(BaseModel):
    """The reason why a batch file or one of its lines was refused. `line` counts from 1."""

    code: str
    message: str
    param: str | None = None
    line: int | None = None


@dataclass(frozen=True, slots=True)
class LineJob:
    """The batch line from which a job is created. `line` counts from 0. `note` has the fields of the line that will be
    part of its result. `note` is stored with the job until the result is written.
    """

    batch_id: BatchId
    line: int
    note: str


@dataclass(frozen=True, slots=True)
class Cursor:
    """The position up to which the batch file was read. It has the number of the next line, from 0, and the offset of
    that line's first byte in the file.
    """

    line: int = 0
    offset: int = 0


@dataclass(frozen=True, slots=True)
class Segment:
    """An object in the object store that contains a part of a batch's results, as JSON lines."""

    key: ObjectKey
    num_lines: int
    num_bytes: int


@dataclass(frozen=True, slots=True)
class Counts:
    """The numbers of a batch's lines: all lines, the released lines (they are jobs now), and the ended lines. `failed`
    counts every outcome except success.
    """

    total: int = 0
    open: int = 0
    completed: int = 0
    failed: int = 0

    @property
    def num_ended(self) -> int:
        return self.completed + self.failed


@dataclass(frozen=True, slots=True)
class BatchTimes:
    """The times (UTC) at which a batch was created, expires, and entered each status. None means that the batch did not
    reach the status.
    """

    created_at: datetime
    expires_at: datetime
    in_progress_at: datetime | None = None
    finalizing_at: datetime | None = None
    completed_at: datetime | None = None
    failed_at: datetime | None = None
    expired_at: datetime | None = None
    cancelling_at: datetime | None = None
    cancelled_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Batch:
    """A batch as it is stored.

    - `end` is the final status that the batch will have. It is `completed`, unless the batch was cancelled or has
      expired.
    - `round` counts the retries of the batch.
    - `waiting_for` names the limit because of which no more lines become jobs now, or is None.
    - `origin` is the HTTP request that created the batch.
    - `bucket_copy` is its copy in the bucket of its tenant, or None.
    """

    batch_id: BatchId
    spec: BatchSpec
    status: BatchStatus
    end: BatchStatus
    round: int
    num_lines: int
    counts: Counts
    cursor: Cursor
    is_paused: bool
    waiting_for: str | None
    errors: Sequence[Fault]
    output_file_id: FileId | None
    error_file_id: FileId | None
    times: BatchTimes
    origin: Origin | None = None
    precedence: Precedence = Precedence()
    bucket_copy: BucketCopy | None = None

    @property
    def log_ids(self) -> Mapping[str, str | int]:
        """Returns the ids that every log line about this batch carries."""
        return log_ids(self.origin, batch_id=self.batch_id)

    @property
    def is_stopping(self) -> bool:
        """Returns whether the batch was cancelled or has expired. If so, no further line becomes a job."""
        return self.end is not BatchStatus.COMPLETED


def folder_of(batch_id: BatchId) -> str:
    """Returns the prefix of the keys of a batch's objects in the object store."""
    assert batch_id.startswith("batch_")
    return f"batches/{batch_id}/"


def input_key(batch_id: BatchId) -> ObjectKey:
    """Returns the key under which the object store holds the copy of a batch's input file. The copy remains when the
    caller deletes the file itself.
    """
    return ObjectKey(f"{folder_of(batch_id)}input.jsonl")


def new_batch_id(reserved: str | None = None) -> BatchId:
    """Returns a new batch id: `batch_` and a ULID. `reserved` is the id that was reserved for the request's
    Idempotency-Key, if any; the batch id then has the ULID of that id.
    """
    return BatchId(f"batch_{ulid_of(reserved)}")


def line_job_id(batch_id: BatchId, round_: int, line: int) -> JobId:
    """Returns the id of the job that a batch line becomes. `round_` is the number of retries of the batch so far.

    Equal arguments give the same id, so a step that is repeated creates no second job. The ids sort by batch, then by
    line.
    """
    own = ULID.from_str(batch_id.removeprefix("batch_").upper()).bytes
    return JobId(f"job_{ULID.from_bytes(own[:11] + round_.to_bytes(1, 'big') + line.to_bytes(4, 'big'))}".lower())


def round_of_line(job_id: JobId) -> int:
    """Returns the number of retries of the batch before the job of a line was made. Call it only for jobs of lines."""
    return int(ULID.from_str(job_id.removeprefix("job_").upper()).bytes[11])


def line_job_prefix(batch_id: BatchId) -> str:
    """Returns the prefix that the ids of all jobs of a batch have in common. No other batch has jobs with this prefix.

    The prefix is `job_` and 18 characters, which encode the first 11 bytes of the batch's ULID.
    """
    return line_job_id(batch_id, 0, 0)[: len("job_") + 18]


def is_line_of(job_id: str, batch_id: BatchId) -> bool:
    """Returns whether the job was created from a line of the batch."""
    try:
        job = ULID.from_str(job_id.removeprefix("job_").upper()).bytes
    except ValueError:
        return False
    return job[:11] == ULID.from_str(batch_id.removeprefix("batch_").upper()).bytes[:11]


def outcome_file_id(batch_id: BatchId, round_: int, kind: str) -> FileId:
    """Returns the id of a result file of a batch. Equal arguments give the same id, so a step that is repeated creates
    no second file.

    `round_` is the number of retries of the batch so far, and `kind` the kind of the result file.
    """
    own = ULID.from_str(batch_id.removeprefix("batch_").upper()).bytes
    rest = hashlib.sha256(f"{batch_id}|{round_}|{kind}".encode()).digest()[:10]
    return FileId(f"file-{ULID.from_bytes(own[:6] + rest)}".lower())
