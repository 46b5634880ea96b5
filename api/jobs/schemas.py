"""What callers may send beside requests for pictures, field by field."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field
from werkzeug.datastructures import MultiDict

from shared.ids import JobId, RenderId
from shared.intake.types import Time
from shared.jobs.states import JobStatus
from shared.store.jobs.filter import JobFilter


class RetryRequest(BaseModel):
    """The body of a retry; it may be left out."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    deadline: Time | None = Field(default=None, description="in place of the job's own; null: none")


class DeadLetterQuery(BaseModel):
    """The query of a list of dead letters."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    limit: int = Field(default=20, ge=1, le=100)
    after: Annotated[RenderId, Field(pattern=r"^job_[0-9a-z]{26}:[0-9]{4}$")] | None = Field(
        default=None, description="`next` of the page before"
    )


class ListQuery(BaseModel):
    """The query of a job list. Values come as text, so this one is not strict."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    limit: int = Field(default=20, ge=1, le=100)
    after: Annotated[JobId, Field(pattern=r"^job_[0-9a-z]{26}$")] | None = Field(
        default=None, description="`next` of the page before"
    )
    status: list[JobStatus] = Field(default=[], description="one or several, repeated or with commas between")
    created_after: Time | None = Field(default=None, description="from this moment on, by the time in the job's id")
    created_before: Time | None = Field(default=None, description="before this moment, by the time in the job's id")
    order: Literal["asc", "desc"] = Field(default="desc", description="of creation; desc: newest first")

    @property
    def filters(self) -> JobFilter:
        return JobFilter(frozenset(self.status), self.created_after, self.created_before, self.order == "asc")


def list_fields(query: MultiDict[str, str]) -> dict[str, object]:
    """The fields of a `ListQuery`, of which only `status` can have several values."""
    statuses = [status for text in query.getlist("status") for status in text.split(",")]
    return {**query.to_dict(), **({"status": statuses} if statuses else {})}
