"""Formats error responses as OpenAI does, and defines the errors that only OpenAI's routes raise.

GridpressError
├── ModelNotServed  404  the request names a model that this service does not serve
├── JobNotMade      409, 500 or 504: the job was cancelled, failed or expired before it had all its pictures
├── ContentRejected 400  the operator's content policy refused the prompt or a picture
└── StillRendering  503  the pictures take longer than a request may wait
"""

from typing import Any

from pydantic import BaseModel, Field

from shared.errors import GridpressError
from shared.jobs.job import Job
from shared.jobs.states import JobStatus

_TYPES = {401: "authentication_error", 403: "permission_error", 429: "rate_limit_error"}
_STATUSES = {JobStatus.CANCELLED: 409, JobStatus.FAILED: 500, JobStatus.EXPIRED: 504}


class OpenAi(BaseModel):
    """The fields of an error that OpenAI's clients read. Our addition `retryable` tells whether a retry can help."""

    message: str
    type: str
    param: str | None = Field(description="the field that is wrong")
    code: str
    retryable: bool


class OpenAiError(BaseModel):
    """An error in OpenAI's format."""

    error: OpenAi


class ModelNotServed(GridpressError):
    """The request names a model that this service does not serve."""

    code = "model_not_found"
    http_status = 404
    field = "model"


class JobNotMade(GridpressError):
    """The job ended without all its pictures. The same request would most likely end in the same way.

    `code` is the error code of the first picture that failed.
    """

    def __init__(self, job: Job) -> None:
        super().__init__(_why(job))
        self.code = str(job.error["code"]) if job.error else f"job_{job.status}"
        self.http_status = _STATUSES[job.status]


class ContentRejected(GridpressError):
    """The operator's content policy refused the prompt or a picture. The same request would be refused again."""

    code = "content_policy_violation"  # OpenAI's code
    http_status = 400

    def __init__(self, job: Job) -> None:
        super().__init__(_why(job))


class StillRendering(GridpressError):
    """The job is still running when the longest wait is over. A retry of the same request waits for the same job."""

    code = "still_rendering"
    http_status = 503
    retryable = True
    retry_after_s = 1

    def __init__(self, job: Job) -> None:
        super().__init__(f"{job.job_id} is still running; retry the request, or read /v1/jobs/{job.job_id}")


def not_made(job: Job) -> ContentRejected | JobNotMade:
    """Returns the error for a job that ended without all its pictures."""
    return ContentRejected(job) if job.status is JobStatus.REJECTED else JobNotMade(job)


def _why(job: Job) -> str:
    return f"{job.job_id} is {job.status}" + (f": {job.error['message']}" if job.error else "")


def error_fields(status: int, code: str, message: str, field: str | None, *, retryable: bool) -> OpenAi:
    """Returns an error as OpenAI's clients read it. They show `message` and nothing else."""
    kind = _TYPES.get(status, "server_error" if status >= 500 else "invalid_request_error")
    return OpenAi(message=message, type=kind, param=field, code=code, retryable=retryable)


def error_body(status: int, code: str, message: str, field: str | None, *, retryable: bool) -> dict[str, Any]:
    """Returns the body of an error response in OpenAI's format, with `retryable` as an additional field."""
    return OpenAiError(error=error_fields(status, code, message, field, retryable=retryable)).model_dump()
