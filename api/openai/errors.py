"""Errors in OpenAI's shape, and those that only its routes have.

GridpressError
├── ModelNotServed  404  another model was asked for
├── JobNotMade      409, 500 or 504: the job was cancelled, failed or expired before it had all its pictures
└── StillRendering  503  the pictures take longer than a request may wait
"""

from typing import Any

from shared.errors import GridpressError
from shared.jobs.job import Job
from shared.jobs.states import JobStatus

PREFIXES = ("/v1/images", "/v1/models", "/v1/files", "/v1/batches")

_TYPES = {401: "authentication_error", 403: "permission_error", 429: "rate_limit_error"}
_STATUSES = {JobStatus.CANCELLED: 409, JobStatus.FAILED: 500, JobStatus.EXPIRED: 504}


class ModelNotServed(GridpressError):
    """Another model was asked for."""

    code = "model_not_found"
    http_status = 404
    field = "model"


class JobNotMade(GridpressError):
    """The job ended without all its pictures; the same request again would most likely end alike.

    `code` is that of the first picture that has one.
    """

    def __init__(self, job: Job) -> None:
        error = next((render.error for render in job.renders if render.error), None)
        super().__init__(f"{job.job_id} is {job.status}" + (f": {error['message']}" if error else ""))
        self.code = str(error["code"]) if error else f"job_{job.status}"
        self.http_status = _STATUSES[job.status]


class StillRendering(GridpressError):
    """The job goes on, and the same request again by a client that retries is answered from it."""

    code = "still_rendering"
    http_status = 503
    retryable = True
    retry_after_s = 1

    def __init__(self, job: Job) -> None:
        super().__init__(f"{job.job_id} is not finished; it goes on, and is found at /v1/jobs/{job.job_id}")


def error_body(status: int, code: str, message: str, field: str | None, *, retryable: bool) -> dict[str, Any]:
    """The four keys that OpenAI's clients read, and whether to try again."""
    kind = _TYPES.get(status, "server_error" if status >= 500 else "invalid_request_error")
    return {"error": {"message": message, "type": kind, "param": field, "code": code, "retryable": retryable}}
