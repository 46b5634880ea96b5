"""The route that cancels many jobs with one request, by their ids, by a filter, or by both."""

from collections.abc import Sequence
from typing import Annotated, Any, Literal

import structlog
from flask import Blueprint
from pydantic import BaseModel, ConfigDict, Field

from api.bodies.documents import body_document
from api.edge.authentication import caller
from api.jobs.client_ids import jobs_meant
from api.services import services
from shared.batches.batch import BatchId
from shared.errors import InvalidRequest
from shared.ids import JobId
from shared.intake.fields import validated
from shared.intake.types import MetadataKey, MetadataValue, Text
from shared.jobs.cancellation import NOT_FOUND, Cancellation, CancelOutcome
from shared.jobs.states import JobStatus
from shared.responses.cancellations import CancellationResponse, CancellationsResponse
from shared.store.jobs.filter import JobFilter

log = structlog.get_logger()

bulk_cancel = Blueprint("bulk_cancel", __name__, url_prefix="/v1/jobs/cancel")

MOST_CANCELLED = 500  # 0.3 s of the store's time
_ALIVE = frozenset((JobStatus.QUEUED, JobStatus.RUNNING))
_OF_PAGES = ("limit", "after")

Found = tuple[dict[str, Cancellation], JobId | None]


class CancelRequest(BaseModel):
    """The body of a request that cancels many jobs. It needs `ids` or a filter: `status`, `batch` or `metadata`.

    With both, only those of the jobs in `ids` are cancelled that pass the filter.
    """

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    ids: list[Annotated[Text, Field(min_length=1, max_length=128)]] | None = Field(
        default=None, min_length=1, max_length=MOST_CANCELLED, description="ids of jobs, also those that you chose"
    )
    status: list[Literal["queued", "running"]] | None = Field(
        default=None, min_length=1, description="only jobs with one of these statuses"
    )
    batch: Annotated[BatchId, Field(pattern=r"^batch_[0-7][0-9a-hjkmnp-tv-z]{25}$")] | None = Field(
        default=None,
        description="only jobs of this batch. Its lines that are no jobs yet stay: to end the batch, cancel the batch",
    )
    metadata: dict[MetadataKey, MetadataValue] = Field(
        default={}, max_length=16, description="only jobs with all these pairs of metadata"
    )
    limit: int = Field(
        default=100, ge=1, le=MOST_CANCELLED, description="without `ids`: how many jobs are cancelled at most"
    )
    after: (
        Annotated[JobId, Field(pattern=r"^job_[0-9a-z]{26}$", examples=["job_01ke6q8v3c9t0n5w7x2z4b6d8f"])] | None
    ) = Field(default=None, description="without `ids`: `next` of the previous response")

    @property
    def filters(self) -> JobFilter:
        statuses = frozenset(map(JobStatus, self.status)) if self.status else _ALIVE
        return JobFilter(statuses, is_oldest_first=True, batch=self.batch, metadata=self.metadata)


@bulk_cancel.post("")
def cancel_many() -> dict[str, Any]:
    """Cancels many jobs, by their ids or by a filter, and says for each one what happened.

    A filter finds the oldest jobs first that have not ended. While `has_more` is true, repeat the request with `next`
    as `after`. With a filter by `metadata`, a request reads at most 1,000 jobs, so that it may cancel none although
    others follow. A repeated request cancels nothing more, and says `already_ended`.
    """
    asked = validated(CancelRequest, body_document().value)
    _check(asked)
    found, following = _of_ids(asked, asked.ids) if asked.ids else _of_filter(asked)
    num = sum(each.outcome is CancelOutcome.CANCELLED for each in found.values())
    log.info("jobs.cancelled", num=num, num_asked=len(found))
    data = [CancellationResponse(id=name, outcome=each.outcome, status=each.status) for name, each in found.items()]
    answer = CancellationsResponse(data=data, has_more=following is not None, next=following)
    return answer.model_dump(mode="json")


def _check(asked: CancelRequest) -> None:
    """Refuses a request that names no jobs, since it would cancel all, and pages of `ids`. Raises `InvalidRequest`."""
    if asked.ids is None and not (asked.status or asked.batch or asked.metadata):
        raise InvalidRequest('give ids or a filter; {"status": ["queued", "running"]} cancels all jobs', "ids")
    if asked.ids is not None and (given := [name for name in _OF_PAGES if name in asked.model_fields_set]):
        raise InvalidRequest(f"ids can't be combined with {given[0]}", "ids")


def _of_ids(asked: CancelRequest, ids: Sequence[str]) -> Found:
    """Cancels the jobs with these ids that pass the filter. Returns what happened to each, in the order of the ids."""
    meant = jobs_meant(ids)
    happened = _cancelled(asked, list(dict.fromkeys(meant.values())))
    return {name: happened[meant[name]] if name in meant else NOT_FOUND for name in ids}, None


def _cancelled(asked: CancelRequest, job_ids: Sequence[JobId]) -> dict[JobId, Cancellation]:
    store, tenant, filters = services().store, caller().tenant, asked.filters
    passed_over: dict[JobId, Cancellation] = {}
    if asked.batch or asked.metadata:
        jobs = store.owned(job_ids, tenant)
        passed_over = {
            job_id: Cancellation(
                CancelOutcome.ALREADY_ENDED if job.status.is_final else CancelOutcome.NOT_SELECTED, job.status
            )
            for job_id, job in jobs.items()
            if not (filters.holds(job_id) and filters.passes(job))
        }
    rest = [job_id for job_id in job_ids if job_id not in passed_over]
    happened = store.cancel_all(rest, tenant, filters.statuses)
    return {**passed_over, **dict(zip(rest, happened, strict=True))}


def _of_filter(asked: CancelRequest) -> Found:
    """Cancels the next jobs that pass the filter. Returns what happened, and the id after which the filter goes on."""
    store, tenant, filters = services().store, caller().tenant, asked.filters
    if filters.reads_jobs:
        scanned = store.scan(tenant, filters, limit=asked.limit, after=asked.after)
        job_ids, following = [job.job_id for job in scanned.jobs], scanned.next
    else:
        more = store.ids(tenant, filters, asked.limit + 1, asked.after)
        job_ids = more[: asked.limit]
        following = job_ids[-1] if len(more) > asked.limit else None
    happened = store.cancel_all(job_ids, tenant, filters.statuses)
    return dict(zip(job_ids, happened, strict=True)), following
