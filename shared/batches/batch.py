"""Batches as values: a file of lines, each a request, and the batch's state. Nothing here does I/O."""

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
from shared.jobs.spec import Priority
from shared.tracing.origin import Origin, log_ids
from shared.webhooks.events import PayloadStyle

BatchId = NewType("BatchId", str)
Endpoint = Literal["/v1/jobs", "/v1/images/generations", "/v1/images/edits"]

NATIVE: Endpoint = "/v1/jobs"


class BatchStatus(StrEnum):
    """The status of a batch, in OpenAI's terms."""

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
    """The priority of a batch. `interactive` is the class of its lines; the others order batches of one tenant."""

    LOW = "low"
    BATCH = "batch"
    HIGH = "high"
    INTERACTIVE = "interactive"

    @property
    def scheduling_class(self) -> Priority:
        return Priority.INTERACTIVE if self is BatchPriority.INTERACTIVE else Priority.BATCH

    @property
    def order(self) -> int:
        """The lowest goes first among the batches of one tenant and class."""
        return {BatchPriority.HIGH: -1, BatchPriority.LOW: 1}.get(self, 0)

    @classmethod
    def of(cls, scheduling_class: Priority, order: int) -> "BatchPriority":
        """Returns the priority that has this class and order."""
        if scheduling_class is Priority.INTERACTIVE:
            return cls.INTERACTIVE
        return {-1: cls.HIGH, 1: cls.LOW}.get(order, cls.BATCH)


@dataclass(frozen=True, slots=True)
class Standing:
    """The place that a tenant asked for among its own batches: priority, then `finish_by` (aware UTC), then age.

    shared/store/batches/batch_order.lua has the rule.
    """

    priority: BatchPriority = BatchPriority.BATCH
    finish_by: datetime | None = None


class LineState(StrEnum):
    """The state of a line, stored as one character. For a waiting line the store keeps nothing else."""

    WAITING = "w"
    OPEN = "o"  # it is a job
    SUCCEEDED = "s"
    FAILED = "f"
    INVALID = "i"  # its body can never be rendered
    CANCELLED = "c"
    EXPIRED = "x"
    LEFT_OUT = "-"  # this batch retries others of its file


class Defaults(BaseModel):
    """Defaults for fields that a line leaves out. `seed` grows by one from line to line."""

    model_config = ConfigDict(frozen=True)

    size: str | None = None
    n: int | None = None
    num_inference_steps: int | None = None
    guidance_scale: float | None = None
    quality: str | None = None
    output_format: str | None = None
    seed: int | None = None


class BatchSpec(BaseModel):
    """An accepted request for a batch.

    `priority` is the class of its lines. `window_s` counts from its creation, `output_lifetime_s` and `delete_after_s`
    from its end. With `strict` one invalid line fails the whole batch. The webhook reports the batch, never single
    lines.
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
    webhook_url: str | None = None
    webhook_events: tuple[str, ...] = ()
    webhook_payload: PayloadStyle = PayloadStyle.FULL
    webhook_secret: str | None = None


@dataclass(frozen=True, slots=True)
class BatchCost:
    """The cost of lines: their number, pictures and pixels, and both stages in the units of `shared.schedule.cost`."""

    lines: int = 0
    pictures: int = 0
    pixels: int = 0
    ar: int = 0
    dit: int = 0

    def __add__(self, other: "BatchCost") -> "BatchCost":
        pairs = zip(astuple(self), astuple(other), strict=True)
        return BatchCost(*(one + more for one, more in pairs))


class Fault(BaseModel):
    """Why a file or one of its lines was refused. `line` counts from 1."""

    code: str
    message: str
    param: str | None = None
    line: int | None = None


@dataclass(frozen=True, slots=True)
class LineJob:
    """The job that a line becomes; `line` counts from 0. `note` is stored with the job until the line's result is
    written.
    """

    batch_id: BatchId
    line: int
    note: str


@dataclass(frozen=True, slots=True)
class Cursor:
    """The position up to which the input was read: the next line, from 0, and the offset of its first byte."""

    line: int = 0
    offset: int = 0


@dataclass(frozen=True, slots=True)
class Segment:
    """A part of the results: an object with a number of JSON lines."""

    key: ObjectKey
    num_lines: int
    num_bytes: int


@dataclass(frozen=True, slots=True)
class Counts:
    """Counts of lines: all, those that are jobs now, and the others by outcome. `failed` counts every outcome but
    success.
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
    """The time at which the batch entered each status (aware UTC); None for a status not reached."""

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

    `end` is the status with which it will end: `completed` unless it was cancelled or expired. `round` counts retries
    of this batch. `waiting_for` is the limit that stops its lines now. `origin` is the request that caused it.
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
    standing: Standing = Standing()

    @property
    def log_ids(self) -> Mapping[str, str | int]:
        """The fields by which log lines about this batch are found."""
        return log_ids(self.origin, batch_id=self.batch_id)

    @property
    def is_stopping(self) -> bool:
        """Whether the batch was cancelled or has expired: no further line becomes a job."""
        return self.end is not BatchStatus.COMPLETED


def folder_of(batch_id: BatchId) -> str:
    """Returns the prefix of the batch's own objects in the object store."""
    assert batch_id.startswith("batch_")
    return f"batches/{batch_id}/"


def input_key(batch_id: BatchId) -> ObjectKey:
    """Returns the key of the batch's copy of its input, which stays when the caller's file is deleted."""
    return ObjectKey(f"{folder_of(batch_id)}input.jsonl")


def new_batch_id(reserved: str | None = None) -> BatchId:
    """Returns a new batch id: `batch_` and a ULID. With `reserved` (a reserved id) it takes that id's ULID."""
    return BatchId(f"batch_{ulid_of(reserved)}")


def line_job_id(batch_id: BatchId, round_: int, line: int) -> JobId:
    """Returns the id of the job that a line becomes, always the same, so that a repeated step makes no second job.

    The ids sort by batch, then by line.
    """
    own = ULID.from_str(batch_id.removeprefix("batch_").upper()).bytes
    return JobId(f"job_{ULID.from_bytes(own[:11] + round_.to_bytes(1, 'big') + line.to_bytes(4, 'big'))}".lower())


def line_job_prefix(batch_id: BatchId) -> str:
    """Returns the prefix that the ids of this batch's jobs share with no other: 18 letters encode the ULID's 11
    bytes.
    """
    return line_job_id(batch_id, 0, 0)[: len("job_") + 18]


def is_line_of(job_id: str, batch_id: BatchId) -> bool:
    """Returns whether the job was made of a line of the batch."""
    try:
        job = ULID.from_str(job_id.removeprefix("job_").upper()).bytes
    except ValueError:
        return False
    return job[:11] == ULID.from_str(batch_id.removeprefix("batch_").upper()).bytes[:11]


def outcome_file_id(batch_id: BatchId, round_: int, kind: str) -> FileId:
    """Returns the id of a result file, always the same, so that a repeated step leaves no second file."""
    own = ULID.from_str(batch_id.removeprefix("batch_").upper()).bytes
    rest = hashlib.sha256(f"{batch_id}|{round_}|{kind}".encode()).digest()[:10]
    return FileId(f"file-{ULID.from_bytes(own[:6] + rest)}".lower())
