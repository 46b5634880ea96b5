"""Computes how many workers a stage needs, even while it has none. Autoscalers follow this number.

docs/performance.md shows that a control loop such as KEDA's is stable with it (`benchmarks/autoscale.py`).
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass

from shared.jobs.states import Stage
from shared.schedule.throughput import StageLoad

_SLOTS_UNSEEN = 1  # assumed slots of a worker while the stage has never had one
_UNMEASURED_PER_SLOT = 2  # planned renders per slot while no throughput was measured
_DIT_SLOTS_A_RENDER = 4  # token grids that may wait for each DiT slot (shared/store/renders/ahead_limit.lua)


@dataclass(frozen=True, slots=True)
class ScalingRules:
    """The rules for the number of workers. Waiting renders should start within `target_wait_s`.

    AR workers start no new renders while too many token grids wait for the DiT. The limit for these grids grows with
    the DiT's slots, but it is never lower than `prior_ready_limit_min`.
    """

    target_wait_s: float
    prior_ready_limit_min: int


def wanted_workers(loads: Mapping[Stage, StageLoad], rules: ScalingRules) -> Mapping[Stage, int]:
    """Returns how many workers each stage should have.

    With these workers, all waiting renders that could start do so within `target_wait_s`, and running renders continue.
    The number always includes every worker that has a render in a slot.

    Each stage counts only work that the other stage lets it do in that time. AR needs workers only for the token grids
    that the DiT can take. The DiT needs workers only for the token grids that AR can deliver.
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
    """Returns the mean number of slots of the stage's live workers. If no worker lives, returns the number of slots of
    the worker that lived last.
    """
    strength = load.strength
    if strength.workers and strength.slots:
        return max(1, round(strength.slots / strength.workers))
    return load.last_slots or _SLOTS_UNSEEN


def servers_per_worker(load: StageLoad) -> int:
    """Returns how many renders one worker of the stage computes at once: as many as it has slots in AR, and 1 in the
    DiT.

    AR workers reserve one slot for interactive renders. That slot counts too, because waiting work may be of any class.
    """
    return 1 if load.strength.stage is Stage.DIT else slots_per_worker(load)


def _wanted(load: StageLoad, cost: float, renders: int, rules: ScalingRules, *, is_needed_soon: bool) -> int:
    slots = slots_per_worker(load)
    at_least = 1 if renders or is_needed_soon else 0
    seconds = load.strength.full_seconds_per_cost
    if seconds is None:
        guess = math.ceil((renders + load.num_held) / (_UNMEASURED_PER_SLOT * slots))
        # Do not start a hundred devices on a guess: the first finished render gives a measurement.
        return max(at_least, _num_busy(load), min(guess, 2 * load.strength.workers))
    for_waiting = math.ceil(cost * seconds / (servers_per_worker(load) * rules.target_wait_s))
    return max(at_least, _num_busy(load), for_waiting)


def _num_busy(load: StageLoad) -> int:
    """Returns how many workers the running renders need.

    A worker may hold more renders than it has slots, because it prepares renders ahead or has pre-empted some. These
    additional renders need no other worker.
    """
    return math.ceil((min(load.strength.running, load.strength.slots) + load.orphans) / slots_per_worker(load))


def _share_let_through(ar: StageLoad, dit: StageLoad, rules: ScalingRules) -> float:
    """Returns the share of AR's open work that should start within `target_wait_s`. Open work could start at once.

    The number of token grids that wait for the DiT is limited. Within `target_wait_s`, AR may make as many grids as
    this limit still allows now, plus as many as the DiT takes. More AR workers would have nothing to do.
    """
    if not ar.open.renders or not ar.open.later_cost:
        return 1.0
    limit = max(rules.prior_ready_limit_min, _DIT_SLOTS_A_RENDER * dit.strength.slots)
    room = max(0, limit - ar.ahead) / ar.open.renders
    return min(1.0, room + _done_in_time(dit, rules) / ar.open.later_cost)


def _share_that_comes(ar: StageLoad, rules: ScalingRules) -> float:
    """Returns the share of AR's open work (work that could start at once) that AR finishes within `target_wait_s`.

    The DiT counts this work before the work arrives, so that a new DiT worker starts while AR still works.
    """
    return min(1.0, _done_in_time(ar, rules) / ar.open.cost) if ar.open.cost else 1.0


def _done_in_time(load: StageLoad, rules: ScalingRules) -> float:
    """Returns the cost of the work that the stage's live workers finish within `target_wait_s`. If no worker lives,
    computes with one worker.
    """
    seconds = load.strength.full_seconds_per_cost
    if not seconds:
        return math.inf
    return max(load.strength.servers, servers_per_worker(load)) * rules.target_wait_s / seconds
