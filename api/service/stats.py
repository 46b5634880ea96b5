"""The route of load statistics, for dashboards and autoscalers."""

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from flask import Blueprint
from pydantic import BaseModel, Field

from api.services import services
from shared.hints.queues import Queue
from shared.jobs.states import Stage
from shared.schedule.autoscaling import ScalingRules, wanted_workers
from shared.schedule.throughput import StageLoad

stats = Blueprint("stats", __name__, url_prefix="/v1/stats")


class StageAnswer(BaseModel):
    """The load of one stage. Costs are AR decode steps, or DiT pixel-steps of a 1024x1024 picture."""

    workers: int = Field(description="that live")
    slots: int = Field(description="of the live workers: pictures at once")
    waiting: int = Field(description="pictures that wait for this stage, of all callers")
    running: int = Field(description="pictures that live workers hold")
    waiting_cost: int
    coming_cost: int = Field(description="what it will have to do once the stage before is done with its own queue")
    seconds_per_cost: float | None = Field(
        description="seconds of the device (DiT) or of a row (AR) for a unit of cost, of late; null: unknown"
    )
    full_seconds_per_cost: float | None = Field(description="the same while the worker's other slots are in use, too")
    backlog_s: float | None = Field(
        description="seconds until what waits is begun, by full_seconds_per_cost; null: unknown"
    )
    open: int = Field(
        description="of those that wait, pictures that one more worker could begin at once: none of a model revision "
        "that is not served, none of a tenant at its limit"
    )
    wanted_workers: int = Field(
        description="workers with which what is open begins within GRIDPRESS_TARGET_WAIT_S; an autoscaler's measure, "
        "from zero, too"
    )
    is_stalled: bool = Field(
        description="pictures wait that live workers could take, slots are free, and none was claimed for 30 s"
    )
    unserved: dict[str, int] = Field(
        description="pictures that wait for a model revision which no live worker serves; '' is any revision"
    )


class WorkersAnswer(BaseModel):
    """The live workers of a queue, and what they had to help themselves with since they started."""

    workers: int = Field(description="that live")
    deaf: int = Field(description="of these, that have asked for no work in 15 s though they could take some")
    found: int = Field(description="how often one found work that it had not been told of")
    restarts: int = Field(description="how often one began anew to ask for work, because it had not for 10 s")
    faults: int = Field(description="unforeseen errors that their threads survived")


class StatsAnswer(BaseModel):
    """The load of both stages, and counts of faults that should never happen."""

    stages: dict[Stage, StageAnswer]
    workers: dict[Queue, WorkersAnswer] = Field(description="by the queue that they serve")
    faults: dict[str, int] = Field(
        description="since the store was new: `request.crashed`, and `unreadable.` with the kind of a record that "
        "lists leave out. The log says more about each"
    )


@stats.get("")
def read() -> dict[str, Any]:
    """Returns totals over all tenants, without naming any."""
    house = services()
    rules = ScalingRules(house.settings.target_wait_s, house.settings.prior_ready_limit_min)
    stages = stages_answer(house.pace.loads(), rules)
    workers = {queue: WorkersAnswer(**asdict(signs)) for queue, signs in house.pace.signs().items()}
    return StatsAnswer(stages=stages, workers=workers, faults=dict(house.fault_counts.read())).model_dump(mode="json")


def stages_answer(loads: Mapping[Stage, StageLoad], rules: ScalingRules) -> dict[Stage, StageAnswer]:
    """Returns the stages in the form of the response."""
    wanted = wanted_workers(loads, rules)
    return {stage: _stage(load, wanted[stage]) for stage, load in loads.items()}


def _stage(load: StageLoad, num_wanted: int) -> StageAnswer:
    strength = load.strength
    return StageAnswer(
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
    )
