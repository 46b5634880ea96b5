"""The route `/v1/stats`, which reports the load of the stages to dashboards and autoscalers."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Annotated, Any

from flask import Blueprint, request
from pydantic import BaseModel, ConfigDict, Field

from api.edge.authentication import check_model, is_operator
from api.services import services
from shared.hints.queues import Queue
from shared.intake.fields import validated
from shared.intake.types import Text
from shared.jobs.states import Stage
from shared.schedule.autoscaling import ScalingRules, wanted_workers
from shared.schedule.throughput import StageLoad

stats = Blueprint("stats", __name__, url_prefix="/v1/stats")


class StatsQuery(BaseModel):
    """The query parameters of the load of the stages."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    model: Annotated[Text, Field(min_length=1, max_length=200)] | None = Field(
        default=None,
        description="count only the pictures and the workers of this model, in all its revisions. Throughput and "
        "`is_stalled` are still those of the whole stage",
        examples=["acme/Painter"],
    )


class StageResponse(BaseModel):
    """The load of one stage. Fields that count the pictures of all tenants are null for an API key without the scope
    operator: `waiting`, `running`, `waiting_cost`, `coming_cost`, `open`, `unserved` and `too_large`.

    In the AR stage, the unit of cost is one decode step. In the DiT stage, it is one pixel in one denoise step of a
    1024x1024 picture.
    """

    workers: int = Field(description="the number of live workers")
    slots: int = Field(description="the number of pictures that all live workers together can render at once")
    waiting: int | None = Field(description="the number of pictures of all tenants that wait for this stage")
    running: int | None = Field(description="the number of pictures that live workers have claimed")
    waiting_cost: int | None = Field(description="the cost of the pictures that wait for this stage")
    coming_cost: int | None = Field(
        description="the cost, in this stage, of the pictures that still wait for the stage before; 0 for AR"
    )
    seconds_per_cost: float | None = Field(
        description="recently measured seconds of the device (DiT) or of a row (AR) for one unit of cost; null: unknown"
    )
    full_seconds_per_cost: float | None = Field(
        description="the same as seconds_per_cost, on a worker whose slots are all in use"
    )
    backlog_s: float | None = Field(
        description="the time in seconds until all waiting pictures have started, computed from full_seconds_per_cost; "
        "null: unknown"
    )
    open: int | None = Field(
        description="the number of waiting pictures that an additional worker could start at once. Pictures of a model "
        "revision that no worker serves, and of a tenant at its limit, do not count"
    )
    wanted_workers: int = Field(
        description="the number of workers needed to start all open pictures within GRIDPRESS_TARGET_WAIT_S. "
        "Autoscalers follow it, also from zero workers"
    )
    is_stalled: bool = Field(
        description="true if pictures wait that live workers serve and slots are free, but no picture was claimed for "
        "30 s"
    )
    unserved: dict[str, int] | None = Field(
        description="the number of pictures that wait for each model revision that no live worker serves; '' stands "
        "for any revision"
    )
    too_large: dict[str, int] | None = Field(
        description="the number of waiting pictures that no live worker of their model revision can render, by size. "
        "They wait for a worker with more memory. For DiT they include pictures that still wait for AR",
    )
    largest: str | None = Field(description="the largest picture that a live worker can render; null while none lives")


# What a tenant would learn of the others.
_HIDDEN = dict.fromkeys(("waiting", "running", "waiting_cost", "coming_cost", "open", "unserved", "too_large"))


class WorkersResponse(BaseModel):
    """The number of live workers of a queue, and counts of faults from which these workers recovered.

    The counts begin at the start of each worker.
    """

    workers: int = Field(description="the number of live workers")
    deaf: int = Field(
        description="the number of live workers that have asked for no work for 15 s although they could take some"
    )
    found: int = Field(description="how often a worker found work for which it had received no hint (Celery message)")
    restarts: int = Field(
        description="how often a worker restarted its consumer of hints, because it had not asked for any for 10 s"
    )
    faults: int = Field(description="the number of unexpected errors that threads of the workers survived")


class StatsResponse(BaseModel):
    """The load of both stages, the workers of each queue, and counts of faults that should never happen."""

    stages: dict[Stage, StageResponse]
    workers: dict[Queue, WorkersResponse] | None = Field(
        description="the live workers, by the queue that they serve; null for an API key without the scope operator"
    )
    faults: dict[str, int] | None = Field(
        description="counts since the store was created; null for an API key without the scope operator. "
        "`request.crashed` counts internal errors of requests. `unreadable.<kind>` counts records of a kind that could "
        "not be read and were left out of lists. The log has the details"
    )


@stats.get("")
def read() -> dict[str, Any]:
    """Returns the load of both stages, as totals over all tenants.

    An API key with the scope operator may ask as well. Without that scope, the response shows capacity, throughput and
    expected waits, and nothing that counts the pictures of other tenants.

    With `model`, the stages show the load of one model, so that an autoscaler can scale the workers of this model.
    """
    deps, query = services(), validated(StatsQuery, request.args.to_dict())
    rules = ScalingRules(deps.settings.target_wait_s, deps.settings.prior_ready_limit_min)
    stages = stages_answer(deps.throughput.loads(_names(query.model)), rules)
    if not is_operator():
        shown = {stage: load.model_copy(update=_HIDDEN) for stage, load in stages.items()}
        return StatsResponse(stages=shown, workers=None, faults=None).model_dump(mode="json")
    workers = {queue: WorkersResponse(**asdict(signs)) for queue, signs in deps.throughput.signs().items()}
    return StatsResponse(stages=stages, workers=workers, faults=dict(deps.fault_counts.read())).model_dump(mode="json")


def _names(model: str | None) -> Sequence[str]:
    """Returns the names of the model that a request asks for; none for all models. Raises `InvalidRequest` for a model
    that the service does not know, and `ForbiddenModel`.
    """
    if model is None:
        return ()
    check_model(model)
    return services().catalogue.names_of(model)


def stages_answer(loads: Mapping[Stage, StageLoad], rules: ScalingRules) -> dict[Stage, StageResponse]:
    """Returns the load of each stage as the response of `/v1/stats` contains it, with the number of wanted workers."""
    wanted = wanted_workers(loads, rules)
    return {stage: _stage(load, wanted[stage]) for stage, load in loads.items()}


def _stage(load: StageLoad, num_wanted: int) -> StageResponse:
    strength = load.strength
    return StageResponse(
        workers=strength.workers,
        slots=strength.slots,
        waiting=load.waiting,
        running=strength.running,
        waiting_cost=load.waiting_cost,
        coming_cost=load.coming_cost,
        seconds_per_cost=strength.seconds_per_cost,
        full_seconds_per_cost=strength.full_seconds_per_cost,
        backlog_s=load.backlog_s,
        open=load.open.renders,
        wanted_workers=num_wanted,
        is_stalled=load.is_stalled,
        unserved=dict(load.unserved),
        too_large=dict(load.too_large),
        largest=load.largest,
    )
