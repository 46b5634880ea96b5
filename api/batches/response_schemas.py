"""Schemas of responses about batches: OpenAI's fields and our additions."""

from typing import Any, Literal, Self

from pydantic import BaseModel, RootModel

from api.batches.expected_end import BatchEnd
from shared.batches.batch import Batch, BatchPriority, BatchStatus, Endpoint
from shared.jobs.response_schemas import Moment
from shared.webhooks.events import PayloadStyle


class ArchiveLink(BaseModel):
    """A link to an archive. It needs no key until `expires_at` (Unix seconds)."""

    url: str
    expires_at: int


class BatchError(BaseModel):
    """Why a file or one of its lines was refused. `line` counts from 1."""

    code: str
    message: str
    param: str | None
    line: int | None


class BatchErrors(BaseModel):
    """The errors of a file, up to a hundred."""

    object: Literal["list"] = "list"
    data: list[BatchError]


class RequestCounts(BaseModel):
    """Counts of lines. `failed` counts every outcome but success."""

    total: int
    completed: int
    failed: int


class BatchAnswer(BaseModel):
    """A batch. Times are Unix seconds, but `deadline`, `finish_by` and `expected_end` are RFC 3339.

    `eta_s` is the estimated number of seconds until it ends, and `expected_end` that moment: null while it is not in
    progress, or nothing was measured. `on_time`: expected to end, or ended, by `finish_by`.
    `waiting_for` is what stops its waiting lines now: a limit, or `other_batches` of your own that go first.
    `num_released` counts lines that are unfinished jobs.
    """

    id: str
    object: Literal["batch"] = "batch"
    endpoint: Endpoint
    model: str
    input_file_id: str
    completion_window: str
    status: BatchStatus
    errors: BatchErrors | None
    output_file_id: str | None
    error_file_id: str | None
    created_at: int
    in_progress_at: int | None
    expires_at: int
    finalizing_at: int | None
    completed_at: int | None
    failed_at: int | None
    expired_at: int | None
    cancelling_at: int | None
    cancelled_at: int | None
    request_counts: RequestCounts
    metadata: dict[str, str] | None
    paused: bool
    waiting_for: str | None
    eta_s: float | None
    expected_end: Moment | None
    on_time: bool | None
    num_released: int
    strict: bool
    priority: BatchPriority
    finish_by: Moment | None
    defaults: dict[str, Any]
    deadline: Moment | None
    delete_after_s: int | None
    retry_of: str | None
    webhook_url: str | None
    webhook_events: list[str]
    webhook_payload: PayloadStyle | None

    @classmethod
    def of(cls, batch: Batch, model: str, end: BatchEnd) -> Self:
        spec, counts, times = batch.spec, batch.counts, batch.times
        faults = [BatchError(**fault.model_dump()) for fault in batch.errors]
        moments = {name: getattr(times, name) for name in times.__slots__}
        return cls(
            id=batch.batch_id,
            endpoint=spec.endpoint,
            model=model,
            input_file_id=spec.input_file_id,
            completion_window=spec.window,
            status=batch.status,
            errors=BatchErrors(data=faults) if faults else None,
            output_file_id=batch.output_file_id,
            error_file_id=batch.error_file_id,
            request_counts=RequestCounts(total=counts.total, completed=counts.completed, failed=counts.failed),
            metadata=dict(spec.metadata) or None,
            paused=batch.is_paused,
            waiting_for=batch.waiting_for,
            eta_s=end.eta_s,
            expected_end=end.expected_end,
            on_time=end.is_on_time,
            num_released=counts.open,
            strict=spec.strict,
            priority=batch.standing.priority,
            finish_by=batch.standing.finish_by,
            defaults=spec.defaults.model_dump(exclude_none=True),
            deadline=spec.deadline,
            delete_after_s=spec.delete_after_s,
            retry_of=spec.retry_of,
            webhook_url=spec.webhook_url,
            webhook_events=list(spec.webhook_events),
            webhook_payload=spec.webhook_payload if spec.webhook_url else None,
            **{name: int(moment.timestamp()) if moment else None for name, moment in moments.items()},
        )


class BatchPage(BaseModel):
    """A page of batches, newest first."""

    object: Literal["list"] = "list"
    data: list[BatchAnswer]
    has_more: bool
    first_id: str | None
    last_id: str | None


class ResultPage(BaseModel):
    """A page of results in the order in which lines ended. `last_id` is the `after` of the next page."""

    object: Literal["list"] = "list"
    data: list[dict[str, Any]]
    has_more: bool
    last_id: str | None


class LineErrorAnswer(BatchError):
    """One error of a line. `custom_id` is null when it could not be read."""

    custom_id: str | None


class LineErrors(BaseModel):
    """The errors of all lines."""

    object: Literal["list"] = "list"
    data: list[LineErrorAnswer]


class ValidationAnswer(BaseModel):
    """A report on a file, without making a batch of it. `is_batch` is false when the whole batch would fail.

    `has_more` is true when the file has more lines than a batch may have; those beyond were not checked.
    """

    object: Literal["batch.validation"] = "batch.validation"
    is_batch: bool
    total: int
    valid: int
    invalid: int
    errors: LineErrors
    has_more: bool
    warnings: list[str]


class CostAnswer(BaseModel):
    """What rendering costs: decode steps of AR, work of the DiT in the units of fair shares, pixels of the pictures."""

    ar: int
    dit: int
    pixels: int


class DryRunAnswer(ValidationAnswer):
    """What a batch would come to; nothing was stored. Lines that would fail are in `errors` and not in the cost.

    `eta_s`, `expected_end` and `on_time` are as in a batch, as if it was made now.
    """

    object: Literal["batch.dry_run"] = "batch.dry_run"  # type: ignore[assignment]
    num_pictures: int
    cost: CostAnswer
    eta_s: float | None
    expected_end: Moment | None
    finish_by: Moment | None
    on_time: bool | None


class CreateAnswer(RootModel[BatchAnswer | DryRunAnswer]):
    """A batch, or what it would come to where the request was a dry run."""
