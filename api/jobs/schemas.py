"""Schemas of the query parameters of job and dead letter lists, and of the body of a retry request."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field
from werkzeug.datastructures import MultiDict

from shared.batches.batch import BatchId
from shared.ids import JobId, RenderId
from shared.intake.types import Time
from shared.jobs.states import JobStatus
from shared.store.jobs.filter import JobFilter

MOST_IDS = 100

_BATCH = "batch_01ke6q8v3c9t0n5w7x2z4b6d8f"


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

    prompt: str = Field(
        default="",
        max_length=200,
        description="only jobs whose prompt has this text, in upper or lower case. A page of such a list may have "
        "fewer jobs than `limit`, or none, although `has_more` is true: a request reads at most 1,000 jobs",
    )
    metadata: list[Annotated[str, Field(pattern=r"^[^=]+=", max_length=600)]] = Field(
        default=[],
        max_length=16,
        description="only jobs with this pair of metadata, as `name=value`; repeat the parameter for several pairs. "
        "Pages may be short, as for `prompt`",
    )
    batch: Annotated[BatchId, Field(pattern=r"^batch_[0-7][0-9a-hjkmnp-tv-z]{25}$", examples=[_BATCH])] | None = Field(
        default=None, description="only jobs of this batch"
    )

    ids: list[Annotated[str, Field(min_length=1, max_length=128)]] = Field(
        default=[],
        max_length=MOST_IDS,
        description="the jobs with these ids, in this order; separate them with commas or repeat the parameter. The "
        "response lists the other ids in `missing`. No other parameter can be given with it",
    )

    @property
    def filters(self) -> JobFilter:
        return JobFilter(
            frozenset(self.status),
            self.created_after,
            self.created_before,
            self.order == "asc",
            self.batch,
            self.prompt,
            dict(pair.split("=", 1) for pair in self.metadata),
        )


def list_fields(query: MultiDict[str, str]) -> dict[str, object]:
    """Returns the fields of a `ListQuery` from the query parameters. Only `status`, `ids` and `metadata` can have
    several values.
    """
    several = {name: [one for text in query.getlist(name) for one in text.split(",")] for name in ("status", "ids")}
    several["metadata"] = query.getlist("metadata")
    return {**query.to_dict(), **{name: values for name, values in several.items() if values}}
