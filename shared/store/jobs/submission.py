"""Makes the arguments with which `submit.lua` creates a job. It does no I/O."""

from dataclasses import dataclass
from datetime import UTC, datetime

from shared.access.budget import Spent, refuse_over_budget
from shared.access.limits import TenantLimits, refuse_more_queued
from shared.batches.batch import LineJob
from shared.errors import TenantLimitReached
from shared.hints.message import HintMessage
from shared.hints.queues import Queue, celery_list
from shared.ids import JobId, render_id
from shared.jobs.job import PriorSource
from shared.jobs.spec import JobSpec
from shared.models.routes import ANY_ROUTE, Route
from shared.tracing.origin import Origin


@dataclass(frozen=True, slots=True)
class LineSubmission:
    """A batch line that is to become a job. It has the id, the spec and the route of this job."""

    job_id: JobId
    spec: JobSpec
    job: LineJob
    source: PriorSource | None = None
    origin: Origin | None = None
    route: Route = ANY_ROUTE


def first_queue(spec: JobSpec, source: PriorSource | None) -> Queue:
    """Returns the queue in which a new job waits first, apart from the check of its prompt: the queue for the
    enhancement of prompts, for AR or for the DiT.
    """
    if source:
        return Queue.DIT
    return Queue.ENHANCE if spec.enhance_prompt else Queue.AR


def submission(job_id: JobId, spec: JobSpec, options: str, hint: HintMessage | None = None) -> list[str | int]:
    """Returns the arguments with which `submit.lua` creates a job."""
    hint_args = (hint.queue, celery_list(hint.queue), hint.text) if hint else ("", "", "")
    renders = [(render_id(job_id, index), spec.seed_of(index)) for index in range(spec.n)]
    return [
        job_id,
        spec.tenant,
        spec.model_dump_json(exclude_none=True),
        options,
        *hint_args,
        *(value for pair in renders for value in pair),
    ]


def over_budget(n: int, num_pictures: int, device_ms: int, *budgets: str) -> TenantLimitReached:
    """Returns the error for a request of `n` renders that would exceed a budget of the tenant.

    `num_pictures` and `device_ms` are what the tenant used in this month. `budgets` are its budgets of pictures and of
    device seconds; '' stands for none.
    """
    pictures, seconds = (int(budget) if budget else None for budget in budgets)
    limits = TenantLimits(pictures_per_month=pictures, device_seconds_per_month=seconds)
    refusal = refuse_over_budget(limits, Spent(num_pictures, device_ms), n, datetime.now(UTC))
    assert refusal
    return TenantLimitReached(refusal)


def too_many(num_queued: int, most: int, n: int) -> TenantLimitReached:
    """Returns the error for a request of `n` renders that would exceed a limit of the tenant.

    The limit is `most` queued renders. `num_queued` renders of the tenant are queued already.
    """
    refusal = refuse_more_queued(TenantLimits(queued_renders=most), num_queued, n)
    assert refusal
    return TenantLimitReached(refusal)
