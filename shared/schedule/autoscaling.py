"""How many workers a stage's work asks for: what autoscalers follow, also from zero. Knows no store and no autoscaler.

docs/performance.md shows that a loop like KEDA's is stable on it (`benchmarks/autoscale.py`).
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass

from shared.jobs.states import Stage
from shared.schedule.throughput import StageLoad

_SLOTS_UNSEEN = 1  # of a worker, where none has ever lived: then nothing was measured either
_UNMEASURED_PER_SLOT = 2  # renders for each slot, while nobody knows how long one takes
_DIT_SLOTS_A_RENDER = 4  # renders that AR may make ahead for each of the DiT's slots (shared/store/renders/door.lua)


@dataclass(frozen=True, slots=True)
class ScalingRules:
    """`target_wait_s`: what waits should have begun within this time."""

    target_wait_s: float
    prior_ready_limit_min: int


def wanted_workers(loads: Mapping[Stage, StageLoad], rules: ScalingRules) -> Mapping[Stage, int]:
    """Returns the workers that each stage should have.

    They suffice to begin the open work within `target_wait_s`, and to go on with what is under way: a worker with a
    render in its slot is never asked away. Either stage counts only as much work as the other leaves to it or takes
    from it meanwhile.
    """
    ar, dit = loads[Stage.AR], loads[Stage.DIT]
    cost = {
        Stage.AR: ar.open.cost * _share_let_through(ar, dit, rules),
        Stage.DIT: dit.open.cost + ar.open.later_cost * _share_that_comes(ar, rules),
    }
    renders = {Stage.AR: ar.open.renders, Stage.DIT: dit.open.renders + ar.open.renders}
    is_busy = {Stage.AR: False, Stage.DIT: ar.num_held > 0}
    return {
        stage: _wanted(loads[stage], cost[stage], renders[stage], rules, is_needed_soon=is_busy[stage])
        for stage in Stage
    }


def slots_per_worker(load: StageLoad) -> int:
    """Returns the slots of a worker: the mean of those that live, else of the one that lived last."""
    strength = load.strength
    if strength.workers and strength.slots:
        return max(1, round(strength.slots / strength.workers))
    return load.last_slots or _SLOTS_UNSEEN


def servers_per_worker(load: StageLoad) -> int:
    """Returns the renders that a worker computes at once: an AR worker a row a slot, a DiT worker one.

    The row that AR keeps for the highest class counts, since waiting work is of any class here.
    """
    return 1 if load.strength.stage is Stage.DIT else slots_per_worker(load)


def _wanted(load: StageLoad, cost: float, renders: int, rules: ScalingRules, *, is_needed_soon: bool) -> int:
    slots = slots_per_worker(load)
    at_least = 1 if renders or is_needed_soon else 0
    seconds = load.strength.full_seconds_per_cost
    if seconds is None:
        guess = math.ceil((renders + load.num_held) / (_UNMEASURED_PER_SLOT * slots))
        # Nobody starts a hundred devices on a guess: the first render that ends tells more.
        return max(at_least, _num_busy(load), min(guess, 2 * load.strength.workers))
    for_waiting = math.ceil(cost * seconds / (servers_per_worker(load) * rules.target_wait_s))
    return max(at_least, _num_busy(load), for_waiting)


def _num_busy(load: StageLoad) -> int:
    """Returns the workers that the renders under way take. What a worker holds beyond its slots, prepared ahead or
    pre-empted, asks for no other.
    """
    return math.ceil((min(load.strength.running, load.strength.slots) + load.orphans) / slots_per_worker(load))


def _share_let_through(ar: StageLoad, dit: StageLoad, rules: ScalingRules) -> float:
    """Returns the share of AR's open work that it may begin in time. Beyond the limit on what AR makes ahead, it may do
    what the DiT takes from it; more AR workers would only wait.
    """
    if not ar.open.renders or not ar.open.later_cost:
        return 1.0
    limit = max(rules.prior_ready_limit_min, _DIT_SLOTS_A_RENDER * dit.strength.slots)
    room = max(0, limit - ar.ahead) / ar.open.renders
    return min(1.0, room + _done_in_time(dit, rules) / ar.open.later_cost)


def _share_that_comes(ar: StageLoad, rules: ScalingRules) -> float:
    """Returns the share of AR's open work that comes to the DiT in time. It is counted before it comes, which hides the
    start of a DiT worker behind the work of AR.
    """
    return min(1.0, _done_in_time(ar, rules) / ar.open.cost) if ar.open.cost else 1.0


def _done_in_time(load: StageLoad, rules: ScalingRules) -> float:
    """Returns the cost that the live workers, or the first one, finish within the target."""
    seconds = load.strength.full_seconds_per_cost
    if not seconds:
        return math.inf
    return max(load.strength.servers, servers_per_worker(load)) * rules.target_wait_s / seconds
