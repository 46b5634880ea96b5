"""How fast the stages are and what stands before a job, and what follows from both: how long it will take."""

from collections.abc import Mapping
from dataclasses import dataclass

from shared.cost import Cost
from shared.states import Stage


@dataclass(frozen=True, slots=True)
class Strength:
    """What a stage can do: live workers, their slots, the renders that they hold, and what was measured of late.

    `seconds_per_cost` is a render's time in its slot for one unit of `shared.cost`, and `full_seconds_per_cost` the
    same on a worker whose slots are all in use; `render_s` is the mean of a render. All are None until one was
    finished.
    """

    workers: int
    slots: int
    running: int
    seconds_per_cost: float | None
    full_seconds_per_cost: float | None
    render_s: float | None

    def seconds_for(self, cost: float) -> float | None:
        """How long all slots together take for this cost. None: nothing is measured, or nobody is there."""
        if self.full_seconds_per_cost is None or not self.slots:
            return None
        return cost * self.full_seconds_per_cost / self.slots

    @property
    def residual_s(self) -> float:
        """The mean time until a slot is free: half of a render's over all busy slots, when all of them are."""
        is_full = self.slots and self.running >= self.slots
        return 0.5 * (self.render_s or 0.0) / self.slots if is_full else 0.0


@dataclass(frozen=True, slots=True)
class Ahead:
    """What stands before a waiting job: renders before its first, and the cost before its last in both stages.

    `dit` is cost that waits for the DiT already, `dit_later` what comes
    there before it.
    """

    stage: Stage
    position: int
    ar: float
    dit: float
    dit_later: float


@dataclass(frozen=True, slots=True)
class QueuePlace:
    """Where a waiting job stands. `eta_s`: until its last waiting picture is finished, None while nothing is measured.

    `unserved` are the stages before it whose live workers serve another model revision, or where none lives: it waits
    until one comes.
    """

    stage: Stage
    position: int
    eta_s: float | None
    unserved: tuple[Stage, ...]


@dataclass(frozen=True, slots=True)
class OpenWork:
    """The part of a stage's waiting work that one more worker could begin at once: not what waits for a model revision
    that is not served, or for a tenant's limit.

    `later_cost` is its cost in the DiT while it waits for AR.
    """

    renders: int
    cost: int
    later_cost: int


@dataclass(frozen=True, slots=True)
class StageLoad:
    """What a stage has to do. Costs are in units of `shared.cost`; `coming` waits for the stage before.

    `unserved`: renders by model revision that wait though no live worker serves it. `orphans`: renders of dead workers
    that were not taken back yet. `last_slots`: of the worker that lives or lived last, 0 if none ever did. `ahead`:
    renders that AR has made and the DiT has not taken. `is_stalled`: open work waits, slots are free, and nothing was
    claimed for long (shared/lua/stalls.lua).
    """

    strength: Strength
    waiting: int
    waiting_cost: int
    coming_cost: int
    unserved: Mapping[str, int]
    open: OpenWork
    orphans: int
    last_slots: int
    ahead: int
    is_stalled: bool

    @property
    def backlog_s(self) -> float | None:
        """Seconds of work that wait for the slots that live. Unknown without workers, so nothing to scale from zero by:
        see shared/scaling.py.
        """
        return self.strength.seconds_for(self.waiting_cost)

    @property
    def num_held(self) -> int:
        """Renders under way, with those of dead workers."""
        return self.strength.running + self.orphans


def place_in_queue(ahead: Ahead, cost: Cost, strengths: Mapping[Stage, Strength]) -> QueuePlace:
    """The place of a job whose renders cost `cost` each."""
    to_come = [Stage.DIT] if ahead.stage is Stage.DIT else list(Stage)
    unserved = tuple(stage for stage in to_come if not strengths[stage].workers)
    return QueuePlace(ahead.stage, ahead.position, _eta_s(ahead, cost, strengths), unserved)


def _eta_s(ahead: Ahead, cost: Cost, strengths: Mapping[Stage, Strength]) -> float | None:
    """A render begins the DiT when it has its token grid and all before it is decoded, whichever is later."""
    decoded_before = _begin_s(strengths[Stage.DIT], ahead.dit + ahead.dit_later)
    decode_s = _own_s(strengths[Stage.DIT], cost.dit)
    if decoded_before is None or decode_s is None:
        return None
    if ahead.stage is Stage.DIT:
        return decoded_before + decode_s
    begun, prior_s = _begin_s(strengths[Stage.AR], ahead.ar), _own_s(strengths[Stage.AR], cost.ar)
    if begun is None or prior_s is None:
        return None
    return max(begun + prior_s, decoded_before) + decode_s


def _begin_s(stage: Strength, cost_ahead: float) -> float | None:
    seconds = stage.seconds_for(cost_ahead)
    return None if seconds is None else seconds + stage.residual_s


def _own_s(stage: Strength, cost: float) -> float | None:
    return None if stage.seconds_per_cost is None else cost * stage.seconds_per_cost
