"""Defines the schema of the response to a request that cancels many jobs."""

from pydantic import BaseModel, Field

from shared.ids import JobId
from shared.jobs.cancellation import CancelOutcome
from shared.jobs.states import JobStatus


class CancellationResponse(BaseModel):
    """What happened to one job."""

    id: str = Field(description="the id as in the request, or the id of a job that the filter found")
    outcome: CancelOutcome = Field(
        description="cancelled: by this request. already_ended: the job had ended before. not_selected: the job does "
        "not pass the filter, and goes on. not_found: there is no such job"
    )
    status: JobStatus | None = Field(description="the status of the job now; null if there is no such job")


class CancellationsResponse(BaseModel):
    """What happened to each job. If `has_more` is true, more jobs may pass the filter: pass `next` as `after`."""

    data: list[CancellationResponse]
    has_more: bool
    next: JobId | None
