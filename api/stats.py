"""The route of what the stages have to do and do it with: for dashboards and autoscalers."""

from collections.abc import Mapping
from typing import Any

from flask import Blueprint
from pydantic import BaseModel, Field

from api.services import services
from shared.pace import StageLoad
from shared.states import Stage

stats = Blueprint("stats", __name__, url_prefix="/v1/stats")


class StageAnswer(BaseModel):
    """One stage. Costs are AR decode steps or DiT pixel-steps (pixels x denoise steps, twice with guidance)."""

    workers: int = Field(description="that live")
    slots: int = Field(description="of the live workers: pictures at once")
    waiting: int = Field(description="pictures that wait for this stage, of all callers")
    running: int = Field(description="pictures that live workers hold")
    waiting_cost: int
    coming_cost: int = Field(description="what it will have to do once the stage before is done with its own queue")
    seconds_per_cost: float | None = Field(description="of one slot, measured of late; null until a picture was made")
    backlog_s: float | None = Field(description="seconds until what waits is begun, at the pace of late; null: unknown")
    unserved: dict[str, int] = Field(
        description="pictures that wait for a model revision which no live worker serves; '' is any revision"
    )


class StatsAnswer(BaseModel):
    """Both stages, and what should never happen."""

    stages: dict[Stage, StageAnswer]
    faults: dict[str, int] = Field(
        description="since the store was new: `request.crashed`, and `unreadable.` with the kind of a record that "
        "lists leave out. The log says more about each"
    )


@stats.get("")
def read() -> dict[str, Any]:
    """Numbers over all tenants; they name none."""
    house = services()
    stages = stages_answer(house.pace.loads())
    return StatsAnswer(stages=stages, faults=dict(house.fault_counts.read())).model_dump(mode="json")


def stages_answer(loads: Mapping[Stage, StageLoad]) -> dict[Stage, StageAnswer]:
    """The stages as they are answered."""
    return {stage: _stage(load) for stage, load in loads.items()}


def _stage(load: StageLoad) -> StageAnswer:
    strength = load.strength
    return StageAnswer(
        workers=strength.workers,
        slots=strength.slots,
        waiting=load.waiting,
        running=strength.running,
        waiting_cost=load.waiting_cost,
        coming_cost=load.coming_cost,
        seconds_per_cost=strength.seconds_per_cost,
        backlog_s=load.backlog_s,
        unserved=dict(load.unserved),
    )
