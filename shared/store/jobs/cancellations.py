"""Cancels many jobs, and says for each of them what happened."""

from collections.abc import Sequence, Set

from shared.ids import JobId, TenantId
from shared.jobs.cancellation import NOT_FOUND, Cancellation, CancelOutcome
from shared.jobs.states import JobStatus
from shared.store.core.connect import Client, translated
from shared.store.core.scripts import Scripts

_AT_ONCE = 20  # jobs in one round trip: 10 ms, in which the store serves nobody else


def cancel_jobs(
    client: Client, scripts: Scripts, job_ids: Sequence[JobId], tenant: TenantId, statuses: Set[JobStatus]
) -> list[Cancellation]:
    """Cancels those of the tenant's jobs with these ids whose status is one of `statuses`; without statuses, all.

    Returns what happened, in the order of the ids. One script cancels each job, so a job that changes meanwhile is
    never half cancelled. A repeated call changes nothing.
    """
    found: list[Cancellation] = []
    for begin in range(0, len(job_ids), _AT_ONCE):
        with translated(), client.pipeline(transaction=False) as pipeline:
            for job_id in job_ids[begin : begin + _AT_ONCE]:
                scripts.queue(pipeline, "cancel", job_id, tenant, *sorted(statuses))
            found += [_cancellation(answer) for answer in pipeline.execute()]
    return found


def _cancellation(answer: Sequence[str]) -> Cancellation:
    if not answer:
        return NOT_FOUND
    before, after = map(JobStatus, answer)
    if before.is_final:
        return Cancellation(CancelOutcome.ALREADY_ENDED, after)
    return Cancellation(CancelOutcome.CANCELLED if after.is_final else CancelOutcome.NOT_SELECTED, after)
