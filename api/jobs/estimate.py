"""The route that estimates a job before it is sent: its cost, and when it would start and end."""

from typing import Any

from flask import Blueprint, request

from api.bodies.documents import read_body
from api.edge import idempotency
from api.edge.authentication import caller, own_catalogue
from api.services import services
from shared.batches.batch import BatchCost
from shared.errors import JobNotFound
from shared.ids import Revision
from shared.intake.checks import check
from shared.intake.line_cost import cost_of_line
from shared.intake.model_defaults import with_model_defaults
from shared.intake.request import JobRequest
from shared.jobs.pauses import Pause, PauseKind
from shared.jobs.states import Stage
from shared.responses.estimates import CostOfJob, EstimateResponse
from shared.responses.job import pause_response
from shared.schedule.cost import Cost
from shared.schedule.new_job import expected
from shared.schedule.sizes import size_of_areas

estimates = Blueprint("estimates", __name__, url_prefix="/v1/jobs/estimate")


def always() -> bool:
    """Returns True, for routes that change nothing and so use up no Idempotency-Key."""
    return True


@estimates.post("")
@idempotency.exempt_if(always)
def estimate() -> dict[str, Any]:
    """Estimates the cost, the start and the end of a job. Takes the request of `POST /v1/jobs` and creates nothing.

    Only the queue and the workers of the job's model count. Condition images are not read: the estimate counts them as
    1024x1024. An edit without a size counts the same.
    """
    deps, asked = services(), read_body(request).request
    asked = with_model_defaults(asked, own_catalogue())
    check(asked, deps.settings, deps.rules)
    return estimate_of(asked, cost_of_line(asked)).model_dump(mode="json")


def estimate_of(asked: JobRequest, total: BatchCost) -> EstimateResponse:
    """Returns the estimate of a job that the caller would send now. `total` is the cost of all its pictures."""
    one = Cost(total.ar // asked.n, total.dit // asked.n)
    size = size_of_areas(total.pixels // asked.n, len(asked.images) * 1024**2)
    loads = services().throughput.loads_of(_revision(asked))
    found = expected(loads, one, asked.n, size, is_rerender=asked.prior is not None)
    pause = _pause(asked)
    return EstimateResponse(
        n=asked.n,
        pixels=total.pixels,
        cost=CostOfJob(ar=total.ar, dit=total.dit),
        position=found.position,
        start_s=None if pause else _rounded(found.start_s),
        eta_s=None if pause else _rounded(found.eta_s),
        paused=pause_response(pause) if pause else None,
        unserved=list(found.unserved),
    )


def _revision(asked: JobRequest) -> Revision:
    """Returns the model revision that the job would go to, outside a canary share. '' if none is known."""
    deps = services()
    if asked.prior is None:
        model = deps.catalogue.resolve(asked.model)
        return deps.catalogue.main_revision(model) or deps.throughput.newest_revision() or Revision("")
    try:
        return deps.store.job(asked.prior.job_id, caller().tenant).revision or Revision("")
    except JobNotFound:  # the route does not read the prior, so it may not exist
        return Revision("")


def _pause(asked: JobRequest) -> Pause | None:
    """Returns the pause because of which the job would wait; None if there is none."""
    stages = (Stage.DIT,) if asked.prior else tuple(Stage)
    concerned = {(PauseKind.STAGE, stage.value) for stage in stages}
    concerned |= {(PauseKind.CLASS, asked.priority.value), (PauseKind.TENANT, caller().tenant)}
    return next((each for each in services().pauses.pauses() if (each.kind, each.name) in concerned), None)


def _rounded(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds, 1)
