"""Defines what can happen to a job that a request was to cancel."""

from dataclasses import dataclass
from enum import StrEnum

from shared.jobs.states import JobStatus


class CancelOutcome(StrEnum):
    """What happened to a job. `NOT_SELECTED`: the job does not pass the filter of the request, and goes on."""

    CANCELLED = "cancelled"
    ALREADY_ENDED = "already_ended"
    NOT_SELECTED = "not_selected"
    NOT_FOUND = "not_found"


@dataclass(frozen=True, slots=True)
class Cancellation:
    """What happened to one job, and its status afterwards. The status is None if the tenant has no such job."""

    outcome: CancelOutcome
    status: JobStatus | None = None


NOT_FOUND = Cancellation(CancelOutcome.NOT_FOUND)
