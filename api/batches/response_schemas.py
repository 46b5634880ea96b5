"""Schemas of the responses about batches, in OpenAI's format with additional fields."""

from typing import Any, Literal, Self

from pydantic import BaseModel, RootModel

from api.batches.expected_end import BatchEnd
from shared.batches.batch import Batch, BatchPriority, BatchStatus, Endpoint
from shared.responses.schemas import Moment
from shared.webhooks.events import PayloadStyle


class ArchiveLink(BaseModel):
    """A link to the archive of a batch. It needs no API key, and expires at `expires_at` (Unix seconds)."""

    url: str
    expires_at: int


class BatchError(BaseModel):
    """The reason why an input file or one of its lines was refused.

    `line` counts from 1, and is null if the reason concerns the whole file.
    """

    code: str
    message: str
    param: str | None
    line: int | None


class BatchErrors(BaseModel):
    """The errors of an input file, at most a hundred."""

    object: Literal["list"] = "list"
    data: list[BatchError]


class RequestCounts(BaseModel):
    """The numbers of a batch's lines. `failed` counts every outcome except success."""

    total: int
    completed: int
    failed: int


class BatchResponse(BaseModel):
    """A batch. Times are Unix seconds, except `deadline`, `finish_by` and `expected_end`, which are RFC 3339.

    `eta_s` is the estimated number of seconds until the batch ends, and `expected_end` is the estimated time of its
    end. Both are null if the batch is paused or not in progress, and until the speed of the service has been measured.
    `on_time` tells whether the batch ended, or is expected to end, by `finish_by`.

    `num_released` is the number of released lines: lines that became jobs and have not ended. `waiting_for` is the
    reason why no further line becomes a job now. The reason is a limit, or `other_batches` if other batches of yours go
    first.
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
            priority=batch.precedence.priority,
            finish_by=batch.precedence.finish_by,
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
    """A page of batches, newest first. Pass `last_id` as `after` to get the next page."""

    object: Literal["list"] = "list"
    data: list[BatchResponse]
    has_more: bool
    first_id: str | None
    last_id: str | None


class ResultPage(BaseModel):
    """A page of a batch's results, in the order in which lines ended. Pass `last_id` as `after` for the next page."""

    object: Literal["list"] = "list"
    data: list[dict[str, Any]]
    has_more: bool
    last_id: str | None


class LineErrorResponse(BatchError):
    """An error in a line of an input file. `custom_id` is null if the line's `custom_id` could not be read."""

    custom_id: str | None


class LineErrors(BaseModel):
    """The errors of all lines of an input file."""

    object: Literal["list"] = "list"
    data: list[LineErrorResponse]


class ValidationResponse(BaseModel):
    """The report on a checked input file. The check creates no batch.

    `is_batch` is false if the whole batch would fail. `has_more` is true if the file has more lines than a batch may
    have; the lines beyond that limit were not checked.
    """

    object: Literal["batch.validation"] = "batch.validation"
    is_batch: bool
    total: int
    valid: int
    invalid: int
    errors: LineErrors
    has_more: bool
    warnings: list[str]


class CostResponse(BaseModel):
    """The cost of rendering a batch.

    `ar` counts decode steps. `dit` counts the work of the DiT; its unit is one pixel in one denoise step of a 1024x1024
    picture. `pixels` counts the pixels of all pictures.
    """

    ar: int
    dit: int
    pixels: int


class DryRunResponse(ValidationResponse):
    """The report of a dry run: the pictures, the cost and the expected end of a batch that was not created.

    Lines that would fail are in `errors`. `num_pictures` and `cost` don't include these lines. `eta_s`, `expected_end`
    and `on_time` are those that the batch would have if it were created now.
    """

    object: Literal["batch.dry_run"] = "batch.dry_run"  # type: ignore[assignment]
    num_pictures: int
    cost: CostResponse
    eta_s: float | None
    expected_end: Moment | None
    finish_by: Moment | None
    on_time: bool | None


class CreateResponse(RootModel[BatchResponse | DryRunResponse]):
    """The response to a request that creates a batch. It is the batch, or the report if the request asked for a dry
    run.
    """
