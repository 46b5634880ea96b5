"""Defines the schemas of the estimate of a job and of the report on a request, which both create nothing."""

from typing import Literal

from pydantic import BaseModel, Field

from shared.jobs.states import Stage
from shared.responses.schemas import PauseResponse


class CostOfJob(BaseModel):
    """The cost of all pictures of a job in each stage, in the units of `/v1/stats`."""

    ar: int
    dit: int


class EstimateResponse(BaseModel):
    """The cost of a job, and when it would start and end if it were sent now. Times are null while unknown.

    All waiting pictures count as if they went before the job, so a job often starts earlier.
    """

    n: int = Field(description="the number of pictures")
    pixels: int = Field(description="the pixels of all pictures, which count against the tenant's daily limit")
    cost: CostOfJob
    position: int = Field(description="the number of pictures of all callers that wait now in the job's first stage")
    start_s: float | None = Field(description="seconds until the first picture would start")
    eta_s: float | None = Field(description="seconds until the last picture would be finished")
    paused: PauseResponse | None = Field(
        description="what an operator has paused, so that the job would wait; times are null then"
    )
    unserved: list[Stage] = Field(description="stages without a live worker: the job would wait until one starts")


class JobErrorResponse(BaseModel):
    """A reason why a request for a job would be refused. `code` is that of the error response."""

    code: str
    field: str | None = Field(description="the field of the request; null for an error that is about no single field")
    message: str
    retryable: bool = Field(description="true if the same request may be accepted later")


class JobValidationResponse(BaseModel):
    """The report on a request for a job. The check creates nothing."""

    object: Literal["job.validation"] = "job.validation"
    is_valid: bool = Field(description="true if the service would accept the request now: there are no errors")
    errors: list[JobErrorResponse]
    estimate: EstimateResponse | None = Field(description="null if a field of the request is invalid")
    warnings: list[str] = Field(description="what could not be checked")
