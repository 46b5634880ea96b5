"""The route that estimates a job before it is sent: its cost, and when it would start and end."""

from typing import Any

from flask import Blueprint, request
from pydantic import BaseModel, Field

from api.bodies.documents import read_body
from api.edge import idempotency
from api.edge.authentication import caller
from api.services import services
from shared.intake.line_cost import cost_of_line
from shared.intake.request import JobRequest
from shared.intake.spec import check
from shared.jobs.pauses import Pause, PauseKind
from shared.jobs.states import Stage
from shared.responses.job import pause_response
from shared.responses.schemas import PauseResponse
from shared.schedule.cost import Cost
from shared.schedule.new_job import expected

estimates = Blueprint("estimates", __name__, url_prefix="/v1/jobs/estimate")


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


def _always() -> bool:
    return True


@estimates.post("")
@idempotency.exempt_if(_always)
def estimate() -> dict[str, Any]:
    """Estimates the cost, the start and the end of a job. Takes the request of `POST /v1/jobs` and creates nothing.

    Condition images are not read: the estimate counts them as 1024x1024. An edit without a size counts the same.
    """
    deps, asked = services(), read_body(request).request
    check(asked, deps.settings, deps.rules)
    total = cost_of_line(asked)
    one = Cost(total.ar // asked.n, total.dit // asked.n)
    found = expected(deps.throughput.loads(), one, asked.n, is_rerender=asked.prior is not None)
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
    ).model_dump(mode="json")


def _pause(asked: JobRequest) -> Pause | None:
    """Returns the pause because of which the job would wait; None if there is none."""
    stages = (Stage.DIT,) if asked.prior else tuple(Stage)
    concerned = {(PauseKind.STAGE, stage.value) for stage in stages}
    concerned |= {(PauseKind.CLASS, asked.priority.value), (PauseKind.TENANT, caller().tenant)}
    return next((each for each in services().pauses.pauses() if (each.kind, each.name) in concerned), None)


def _rounded(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds, 1)
