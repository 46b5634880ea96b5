"""Computes how many workers a demand for pictures needs, from measured times and a queueing model.

In terms of queueing theory, each slot of an AR worker is one server. A render keeps its server busy for all its decode
steps. A step takes the time that was measured with all slots in use. A DiT worker is one server, because one picture at
a time fills the device.

Renders arrive at random and take similar times. So the waiting time is Allen and Cunneen's approximation for G/G/c
queues, with a coefficient of variation of 1 for arrivals and 0 for service. This is half of the waiting time that
Erlang's C formula gives for M/M/c queues (Allen, "Probability, Statistics and Queueing Theory", 1990, 5.3).
"""

import math
from bisect import bisect_left
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from shared.errors import GridpressError
from shared.geometry import condition_size, num_decode_steps
from shared.ids import ObjectKey
from shared.jobs.spec import RenderSettings
from shared.jobs.states import Stage
from shared.schedule.cost import cost_of
from shared.schedule.profile import ArPoint, DitPoint, Profile

_FARTHEST = 4.0  # largest ratio of pixels to extrapolate by: attention grows with their square, so a line fits badly


class BeyondProfile(GridpressError):
    """Raised when a profile (measured step times) has nothing near the requested picture size or number of slots."""

    code = "beyond_profile"


@dataclass(frozen=True, slots=True)
class MeasuredThroughput:
    """The throughput of a stage that a running service has measured.

    `slots` is the number of renders that one worker computes at the same time. For the DiT it is always 1.
    `seconds_per_cost` is the time that a render in one slot takes for one unit of cost.
    """

    slots: int
    seconds_per_cost: float


@dataclass(frozen=True, slots=True)
class Demand:
    """The demand to plan for: pictures per second, their size, their denoise steps, and whether they are edits."""

    pictures_per_s: float
    width_px: int
    height_px: int
    num_inference_steps: int
    is_edit: bool = False


@dataclass(frozen=True, slots=True)
class StagePlan:
    """The plan for one stage. Times are in seconds.

    `service_s` is the time that a picture takes in the stage. `wait_s` is the mean time that a picture waits for the
    stage.
    """

    stage: Stage
    slots: int
    service_s: float
    worker_pictures_per_s: float
    num_workers: int
    utilisation: float
    wait_s: float


@dataclass(frozen=True, slots=True)
class Plan:
    """The plan for both stages.

    `limit` is the bottleneck: the stage that needs more workers for the same pictures. It should get more workers
    first.
    """

    ar: StagePlan
    dit: StagePlan

    @property
    def limit(self) -> Stage:
        return min((self.ar, self.dit), key=lambda stage: stage.worker_pictures_per_s).stage

    @property
    def latency_s(self) -> float:
        """Returns the mean seconds from the submission of a picture to its end, including waiting but not storing."""
        return sum(stage.wait_s + stage.service_s for stage in (self.ar, self.dit))


def plan(profile: Profile, demand: Demand, *, most_utilised: float, slots: int | None = None) -> Plan:
    """Returns the plan with the fewest workers of each stage that meet a demand, computed from a profile.

    A worker may be busy for at most the fraction `most_utilised` of the time. An AR worker has `slots` slots, by
    default the highest number of rows that was measured. Raises `BeyondProfile`.
    """
    point = _ar_point(profile.ar, slots)
    decode_steps = num_decode_steps(demand.width_px, demand.height_px, is_edit=demand.is_edit)
    decode_s = decode_steps * point.step_s
    denoise_s = _dit_s(profile.dit, demand)
    return Plan(
        _stage_plan(Stage.AR, demand.pictures_per_s, decode_s, point.rows, most_utilised),
        _stage_plan(Stage.DIT, demand.pictures_per_s, denoise_s, 1, most_utilised),
    )


def plan_from_throughput(
    throughputs: Mapping[Stage, MeasuredThroughput], demand: Demand, *, most_utilised: float
) -> Plan:
    """Returns the plan with the fewest workers of each stage that meet a demand, computed from a service's throughput.

    The service measured this throughput recently, while it rendered pictures of any sizes. Its slots must have been
    busy, because a render that is alone in its worker finishes sooner.

    The time of a picture is assumed to be proportional to its cost. An edit is assumed to have one condition image of
    the picture's size.
    """
    cost = cost_of(_settings_of(demand))
    costs = {Stage.AR: cost.ar, Stage.DIT: cost.dit}

    def of(stage: Stage) -> StagePlan:
        service_s = costs[stage] * throughputs[stage].seconds_per_cost
        return _stage_plan(stage, demand.pictures_per_s, service_s, throughputs[stage].slots, most_utilised)

    return Plan(of(Stage.AR), of(Stage.DIT))


def erlang_c(num_servers: int, load: float) -> float:
    """Returns the probability that an arrival in an M/M/c queue must wait (Erlang's C formula).

    `load` is the arrival rate multiplied by the service time, and must be below `num_servers`. The result is computed
    from Erlang's B formula, by a recursion that stays finite for any number of servers.
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
    """Returns the time of an AR step with `slots` rows, interpolated between the two nearest measurements.

    If `slots` is None, returns the measurement with the most rows.
    """
    measured = sorted(points, key=lambda point: point.rows)
    if slots is None:
        return measured[-1]
    if not measured[0].rows <= slots <= measured[-1].rows:
        ends = f"{measured[0].rows} to {measured[-1].rows}"
        raise BeyondProfile(f"the profile knows AR steps of {ends} rows, not of {slots}")
    step_s = _on_line([(point.rows, point.step_s) for point in measured], slots)
    return ArPoint(rows=slots, step_s=step_s)


def _dit_s(points: Sequence[DitPoint], demand: Demand) -> float:
    """Returns the seconds that a picture takes in the DiT, interpolated between the measured sizes by their pixels."""
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
    """Interpolates linearly between points of (position, value). Returns the value at the position `at`.

    Beyond the first or last point, scales the value of that point in proportion to the position.
    """
    places = [place for place, _ in points]
    index = bisect_left(places, at)
    if index == len(points) or (index == 0 and places[0] != at):
        place, value = points[min(index, len(points) - 1)]
        return value * at / place
    if places[index] == at:
        return points[index][1]
    (left, low), (right, high) = points[index - 1], points[index]
    return low + (high - low) * (at - left) / (right - left)
