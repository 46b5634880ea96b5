"""What the store is told of a job that is to be made. Does no I/O."""

from dataclasses import dataclass

from shared.access.limits import TenantLimits, refuse_more_queued
from shared.batches.batch import LineJob
from shared.errors import TenantLimitReached
from shared.hints.message import HintMessage
from shared.hints.queues import Queue, celery_list
from shared.ids import JobId, render_id
from shared.jobs.job import PriorSource
from shared.jobs.spec import JobSpec
from shared.tracing.origin import Origin


@dataclass(frozen=True, slots=True)
class LineSubmission:
    """A batch line that is to become a job."""

    job_id: JobId
    spec: JobSpec
    job: LineJob
    source: PriorSource | None = None
    origin: Origin | None = None


def first_queue(spec: JobSpec, source: PriorSource | None) -> Queue:
    """Returns the queue in which a new job waits first."""
    if source:
        return Queue.DIT
    return Queue.ENHANCE if spec.enhance_prompt else Queue.AR


def submission(job_id: JobId, spec: JobSpec, options: str, hint: HintMessage | None = None) -> list[str | int]:
    """Returns the arguments of `submit.lua`."""
    told = (hint.queue, celery_list(hint.queue), hint.text) if hint else ("", "", "")
    renders = [(render_id(job_id, index), spec.seed_of(index)) for index in range(spec.n)]
    return [job_id, spec.tenant, spec.model_dump_json(), options, *told, *(value for pair in renders for value in pair)]


def too_many(num_queued: int, most: int, n: int) -> TenantLimitReached:
    """Returns the error for `n` renders of which too many would wait."""
    refusal = refuse_more_queued(TenantLimits(queued_renders=most), num_queued, n)
    assert refusal
    return TenantLimitReached(refusal)
