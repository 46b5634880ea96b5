"""Defines the schemas of batches and of pages with them, in OpenAI's format with additional fields."""

from typing import Any, Literal

from pydantic import BaseModel

from shared.batches.batch import BatchPriority, BatchStatus, Endpoint
from shared.responses.schemas import BucketCopyResponse, Moment
from shared.webhooks.events import PayloadStyle


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

    `output_folder` is the folder of the object store with a copy of each picture, or null if the request has no
    `output_prefix`.

    `bucket_copy` tells about the copy in the bucket of your own. It is null before the end, and without a bucket.
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
    output_prefix: str | None
    output_folder: str | None
    bucket_copy: BucketCopyResponse | None = None  # earlier releases have no buckets of tenants
    webhook_url: str | None
    webhook_events: list[str]
    webhook_payload: PayloadStyle | None


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
