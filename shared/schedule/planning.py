"""How many workers a demand takes, from measured times and a queueing model. Plain arithmetic: no I/O, no torch.

An AR worker with `rows` slots is `rows` servers, each busy for a render's decode steps at the step time of a full
batch. A DiT worker is one server: a picture at a time fills the device. Renders arrive at random and take much the same
time each, so waiting is Allen and Cunneen's approximation of G/G/c with a coefficient of variation of 1 for arrivals
and 0 for service: half of what Erlang's C formula gives for M/M/c (Allen, "Probability, Statistics and Queueing
Theory", 1990, 5.3).
"""

import math
from bisect import bisect_left
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from shared.errors import GridpressError, Misconfigured
from shared.geometry import condition_size, num_decode_steps
from shared.ids import ObjectKey
from shared.jobs.spec import RenderSettings
from shared.jobs.states import Stage
from shared.schedule.cost import DEFAULT_COSTS, CostModel, cost_of, fitted

Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
_FARTHEST = 4.0  # times the pixels of the nearest measured size; beyond, attention's square makes any line a guess


class BeyondProfile(GridpressError):
    """The profile has no measure near what was asked."""

    code = "beyond_profile"


class ArPoint(BaseModel):
    """Seconds of one decode step with `rows` renders in it."""

    model_config = ConfigDict(frozen=True)

    rows: int = Field(ge=1)
    step_s: Positive


class DitPoint(BaseModel):
    """Seconds of a picture's denoise step, guidance included, and of all else that it takes: preparation and VAE."""

    model_config = ConfigDict(frozen=True)

    width: int = Field(ge=1)
    height: int = Field(ge=1)
    step_s: Positive
    fixed_s: float = Field(ge=0, allow_inf_nan=False)

    @property
    def num_pixels(self) -> int:
        return self.width * self.height


class Profile(BaseModel):
    """What one worker of each stage was measured to take. `measured_on` says where, for people."""

    model_config = ConfigDict(frozen=True)

    measured_on: Mapping[str, object] = {}
    ar: list[ArPoint] = Field(min_length=1)
    dit: list[DitPoint] = Field(min_length=1)


@dataclass(frozen=True, slots=True)
class Pace:
    """A stage of a service that runs: renders that one of its workers computes at once, and the seconds that each of
    them takes for a unit of cost. A DiT worker computes one, however many slots it has.
    """

    slots: int
    seconds_per_cost: float


@dataclass(frozen=True, slots=True)
class Demand:
    """What should be rendered; sizes in pixels."""

    pictures_per_s: float
    width_px: int
    height_px: int
    num_inference_steps: int
    is_edit: bool = False


@dataclass(frozen=True, slots=True)
class StagePlan:
    """One stage. `service_s` is a picture's time in it, `wait_s` the mean time that it waits for it."""

    stage: Stage
    slots: int
    service_s: float
    worker_pictures_per_s: float
    num_workers: int
    utilisation: float
    wait_s: float


@dataclass(frozen=True, slots=True)
class Plan:
    """Both stages. `limit` is the stage that needs more workers for each picture: the one to scale first."""

    ar: StagePlan
    dit: StagePlan

    @property
    def limit(self) -> Stage:
        return min((self.ar, self.dit), key=lambda stage: stage.worker_pictures_per_s).stage

    @property
    def latency_s(self) -> float:
        """Mean seconds from submission to the finished picture, without storing it."""
        return sum(stage.wait_s + stage.service_s for stage in (self.ar, self.dit))


def plan(profile: Profile, demand: Demand, *, most_utilised: float, slots: int | None = None) -> Plan:
    """The fewest workers of each stage that are busy at most `most_utilised` of their time.

    `slots` of an AR worker default to the most rows that were measured. Raises `BeyondProfile`.
    """
    point = _ar_point(profile.ar, slots)
    decode_steps = num_decode_steps(demand.width_px, demand.height_px, is_edit=demand.is_edit)
    decode_s = decode_steps * point.step_s
    denoise_s = _dit_s(profile.dit, demand)
    return Plan(
        _stage_plan(Stage.AR, demand.pictures_per_s, decode_s, point.rows, most_utilised),
        _stage_plan(Stage.DIT, demand.pictures_per_s, denoise_s, 1, most_utilised),
    )


def plan_at_pace(paces: Mapping[Stage, Pace], demand: Demand, *, most_utilised: float) -> Plan:
    """The same from what a service measured of itself lately, whatever sizes it drew: costs are in proportion.

    That holds for a service whose slots were busy: a render alone in its worker is done sooner than one of many. An
    edit is taken to have one condition image of the picture's own size.
    """
    cost = cost_of(_settings_of(demand))
    costs = {Stage.AR: cost.ar, Stage.DIT: cost.dit}

    def of(stage: Stage) -> StagePlan:
        service_s = costs[stage] * paces[stage].seconds_per_cost
        return _stage_plan(stage, demand.pictures_per_s, service_s, paces[stage].slots, most_utilised)

    return Plan(of(Stage.AR), of(Stage.DIT))


def costs_of_profile(file: Path | None) -> CostModel:
    """Returns the costs that fit the DiT's measured steps; the default ones without a file. Raises `Misconfigured`."""
    if file is None:
        return DEFAULT_COSTS
    try:
        profile = Profile.model_validate_json(file.read_bytes())
    except (OSError, ValidationError) as error:
        raise Misconfigured(f"GRIDPRESS_COST_PROFILE={file} is no profile: {error}") from error
    return fitted([(point.num_pixels, point.step_s) for point in profile.dit])


def erlang_c(num_servers: int, load: float) -> float:
    """Probability that an arrival waits, with `load` (arrivals x service time) below `num_servers`.

    Erlang's C from his B by the recursion that stays finite for any number of servers.
    """
    blocked = 1.0
    for servers in range(1, num_servers + 1):
        blocked = load * blocked / (servers + load * blocked)
    utilisation = load / num_servers
    return blocked / (1 - utilisation * (1 - blocked))


def _settings_of(demand: Demand) -> RenderSettings:
    size = (demand.width_px, demand.height_px)
    return RenderSettings(
        prompt="",
        width_px=demand.width_px,
        height_px=demand.height_px,
        num_inference_steps=demand.num_inference_steps,
        images=(ObjectKey(""),) if demand.is_edit else (),
        image_sizes=(condition_size(*size),) if demand.is_edit else (),
    )


def _stage_plan(stage: Stage, rate: float, service_s: float, slots: int, most_utilised: float) -> StagePlan:
    load = rate * service_s
    num_workers = max(1, math.ceil(load / (slots * most_utilised)))
    servers = num_workers * slots
    wait_s = 0.5 * erlang_c(servers, load) * service_s / (servers - load)
    return StagePlan(stage, slots, service_s, slots / service_s, num_workers, load / servers, wait_s)


def _ar_point(points: Sequence[ArPoint], slots: int | None) -> ArPoint:
    """The measured step time at `slots` rows, on the line between the two measures beside it."""
    measured = sorted(points, key=lambda point: point.rows)
    if slots is None:
        return measured[-1]
    if not measured[0].rows <= slots <= measured[-1].rows:
        ends = f"{measured[0].rows} to {measured[-1].rows}"
        raise BeyondProfile(f"the profile knows AR steps of {ends} rows, not of {slots}")
    step_s = _on_line([(point.rows, point.step_s) for point in measured], slots)
    return ArPoint(rows=slots, step_s=step_s)


def _dit_s(points: Sequence[DitPoint], demand: Demand) -> float:
    """Seconds of a picture in the DiT: on the line between measured sizes, by pixels."""
    measured = sorted(points, key=lambda point: point.num_pixels)
    pixels = demand.width_px * demand.height_px
    lowest, highest = measured[0].num_pixels / _FARTHEST, measured[-1].num_pixels * _FARTHEST
    if not lowest <= pixels <= highest:
        sizes = ", ".join(f"{point.width}x{point.height}" for point in measured)
        asked = f"{demand.width_px}x{demand.height_px}"
        raise BeyondProfile(f"the profile knows the DiT at {sizes}, which says little about {asked}")
    step_s = _on_line([(point.num_pixels, point.step_s) for point in measured], pixels)
    fixed_s = _on_line([(point.num_pixels, point.fixed_s) for point in measured], pixels)
    return demand.num_inference_steps * step_s + fixed_s


def _on_line(points: Sequence[tuple[int, float]], at: int) -> float:
    """Linear between the neighbours of `at`; beyond the ends in proportion to the nearest."""
    places = [place for place, _ in points]
    index = bisect_left(places, at)
    if index == len(points) or (index == 0 and places[0] != at):
        place, value = points[min(index, len(points) - 1)]
        return value * at / place
    if places[index] == at:
        return points[index][1]
    (left, low), (right, high) = points[index - 1], points[index]
    return low + (high - low) * (at - left) / (right - left)
