"""Schemas of the query parameters of job and dead letter lists, and of the body of a retry request."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field
from werkzeug.datastructures import MultiDict

from shared.ids import JobId, RenderId
from shared.intake.types import Time
from shared.jobs.states import JobStatus
from shared.store.jobs.filter import JobFilter


class RetryRequest(BaseModel):
    """The body of a request to retry a job. The body is optional."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    deadline: Time | None = Field(
        default=None, description="replaces the job's deadline; null removes it; left out, the job's deadline stays"
    )


class DeadLetterQuery(BaseModel):
    """The query parameters of a list of dead letters."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    limit: int = Field(default=20, ge=1, le=100)
    after: (
        Annotated[
            RenderId, Field(pattern=r"^job_[0-9a-z]{26}:[0-9]{4}$", examples=["job_01ke6q8v3c9t0n5w7x2z4b6d8f:0000"])
        ]
        | None
    ) = Field(default=None, description="`next` of the previous page")


class ListQuery(BaseModel):
    """The query parameters of a list of jobs. The model is not strict, since all values arrive as text."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    limit: int = Field(default=20, ge=1, le=100)
    after: (
        Annotated[JobId, Field(pattern=r"^job_[0-9a-z]{26}$", examples=["job_01ke6q8v3c9t0n5w7x2z4b6d8f"])] | None
    ) = Field(default=None, description="`next` of the previous page")
    status: list[JobStatus] = Field(
        default=[], description="only jobs with one of these statuses; repeat the parameter or separate with commas"
    )
    created_after: Time | None = Field(
        default=None, description="only jobs created at this time or later, by the time in the job's id"
    )
    created_before: Time | None = Field(
        default=None, description="only jobs created before this time, by the time in the job's id"
    )
    order: Literal["asc", "desc"] = Field(
        default="desc", description="order by creation time; desc: newest first, asc: oldest first"
    )

    @property
    def filters(self) -> JobFilter:
        return JobFilter(frozenset(self.status), self.created_after, self.created_before, self.order == "asc")


def list_fields(query: MultiDict[str, str]) -> dict[str, object]:
    """Returns the fields of a `ListQuery` from the query parameters. Only `status` can have several values."""
    statuses = [status for text in query.getlist("status") for status in text.split(",")]
    return {**query.to_dict(), **({"status": statuses} if statuses else {})}
