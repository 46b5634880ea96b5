"""How fast the stages are and what stands before a job, and what follows from both: how long it will take."""

import heapq
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from shared.jobs.leases import spare_rows
from shared.jobs.spec import Priority
from shared.jobs.states import Stage
from shared.schedule.cost import Cost

_ROUNDS_ONE_BY_ONE = 4  # of a long queue; what is before them goes in whole rounds
_MOST_SERVERS = 64  # beyond, servers are free so often that a mean says as much


@dataclass(frozen=True, slots=True)
class Strength:
    """What a stage can do: live workers, their slots, the renders that they hold, and what was measured of late.

    `slots` are rows in AR. In the DiT they are renders that share a step. Its workers also hold renders that they
    prepare ahead or have pre-empted, so `running` may be more than `slots`.
    `seconds_per_cost` is what a render takes for one unit of cost: in the DiT of its worker's device, which
    works on one at a time; in AR in its row. `full_seconds_per_cost` is the same on a worker whose slots are all in
    use; `render_s` is the mean of a render. All are None until one was finished.
    """

    stage: Stage
    workers: int
    slots: int
    running: int
    seconds_per_cost: float | None
    full_seconds_per_cost: float | None
    render_s: float | None

    @property
    def servers(self) -> int:
        """Returns how many renders are computed at once: a row each in AR, one for each worker in the DiT.

        Renders that share a step of the DiT count as one after the other, as their device seconds do.
        """
        return self.workers if self.stage is Stage.DIT else self.slots

    def for_class(self, priority: Priority) -> "Strength":
        """Returns the part that renders of a class may use: AR workers keep a row for the highest class."""
        if self.stage is Stage.DIT or not self.workers or not priority.rank:
            return self
        return replace(self, slots=self.slots - self.workers * spare_rows(self.slots // self.workers))

    def seconds_for(self, cost: float) -> float | None:
        """How long all workers together take for this cost. None: nothing is measured, or nobody is there."""
        if self.full_seconds_per_cost is None or not self.servers:
            return None
        return cost * self.full_seconds_per_cost / self.servers

    @property
    def residual_s(self) -> float:
        """The mean time until a server is free: half of a render's over all servers, when all of them are busy."""
        is_full = self.servers and self.running >= self.servers
        return 0.5 * (self.render_s or 0.0) / self.servers if is_full else 0.0


@dataclass(frozen=True, slots=True)
class HeldRender:
    """A render that a live worker holds, of the class of the job that asks or a higher one.

    `server` numbers its worker. `used_s` is what it was given: seconds of the device in the DiT, of its row in AR.
    `later_cost` is its cost in the DiT while AR makes its token grid.
    """

    server: int
    cost: int
    used_s: float
    later_cost: int
    is_own: bool


@dataclass(frozen=True, slots=True)
class Ahead:
    """What stands before a job's last render in its least advanced stage: cost that waits, and what workers hold.

    `dit` waits for the DiT already, `dit_later` for AR first; `num_` are renders. `position` counts those before its
    first. `held` are in the order in which a worker takes them. `is_waiting`: the job's last render is not held itself.
    """

    stage: Stage
    position: int
    is_waiting: bool
    ar: float
    num_ar: int
    dit: float
    num_dit: int
    dit_later: float
    held: Mapping[Stage, Sequence[HeldRender]]


@dataclass(frozen=True, slots=True)
class Outlook:
    """How a job that has not ended goes on. `eta_s`: seconds until it has; None while nothing is measured.

    `queue` is None unless something of it waits.
    """

    eta_s: float | None
    queue: "QueuePlace | None"


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


NO_OUTLOOK = Outlook(None, None)


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
    """What a stage has to do. Costs are in units of `shared.schedule.cost`; `coming` waits for the stage before.

    `unserved`: renders by model revision that wait though no live worker serves it. `orphans`: renders of dead workers
    that were not taken back yet. `last_slots`: of the worker that lives or lived last, 0 if none ever did. `ahead`:
    renders that AR has made and the DiT has not taken. `is_stalled`: open work waits, slots are free, and nothing was
    claimed for long (shared/store/queues/stalls.lua).
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
        see shared/schedule/autoscaling.py.
        """
        return self.strength.seconds_for(self.waiting_cost)

    @property
    def num_held(self) -> int:
        """Renders under way, with those of dead workers."""
        return self.strength.running + self.orphans


def outlook(ahead: Ahead, cost: Cost, strengths: Mapping[Stage, Strength]) -> Outlook:
    """Returns what to expect of a job whose renders cost `cost` each."""
    to_come = [Stage.DIT] if ahead.stage is Stage.DIT else list(Stage)
    unserved = tuple(stage for stage in to_come if not strengths[stage].workers)
    eta_s = eta(ahead, cost, strengths)
    place = QueuePlace(ahead.stage, ahead.position, eta_s, unserved) if ahead.is_waiting else None
    return Outlook(eta_s, place)


def eta(ahead: Ahead, cost: Cost, strengths: Mapping[Stage, Strength]) -> float | None:
    """Returns the seconds until the job's last render is decoded. None: a stage has no worker or no pace.

    A render begins the DiT when it has its token grid and all before it is decoded, whichever is later. What AR works
    on comes to the DiT before what waits for AR.
    """
    ar, dit = strengths[Stage.AR], strengths[Stage.DIT]
    if dit.seconds_per_cost is None or not dit.servers:
        return None
    if ahead.stage is Stage.DIT and not ahead.is_waiting:
        return _own_end_s(ahead.held[Stage.DIT], dit)
    begins_s = _decodes_at_s(ahead, dit)
    if ahead.stage is Stage.AR:
        has_grid_s = _grid_at_s(ahead, cost, ar)
        if has_grid_s is None:
            return None
        begins_s = max(begins_s, has_grid_s)
    return begins_s + cost.dit * dit.seconds_per_cost


def begins_s(free_s: Sequence[float], num: int, work_s: float) -> float:
    """Returns when a server is free for the render behind `num` others, which take `work_s` altogether.

    `free_s`: when each server is free for them. Each next render goes to the server that is free first. Whole rounds
    over all servers are taken at once.
    """
    if not num:
        return min(free_s)
    each_s, rounds = work_s / num, max(0, num // len(free_s) - _ROUNDS_ONE_BY_ONE)
    busy = [free + rounds * each_s for free in free_s]
    heapq.heapify(busy)
    for _ in range(num - rounds * len(free_s)):
        heapq.heapreplace(busy, busy[0] + each_s)
    return busy[0]


def _decodes_at_s(ahead: Ahead, dit: Strength) -> float:
    """When the DiT is free for the job's last render."""
    coming = [each for each in ahead.held[Stage.AR] if not each.is_own] if ahead.stage is Stage.AR else []
    cost = ahead.dit + ahead.dit_later + sum(each.later_cost for each in coming)
    num = ahead.num_dit + len(coming) + (ahead.num_ar if ahead.stage is Stage.AR else 0)
    return _begins_in_s(dit, ahead.held[Stage.DIT], num, cost)


def _grid_at_s(ahead: Ahead, cost: Cost, ar: Strength) -> float | None:
    """When AR has made the token grid of the job's last render."""
    if ar.seconds_per_cost is None or not ar.servers:
        return None
    if not ahead.is_waiting:
        return max((_left_s(each, ar) for each in ahead.held[Stage.AR] if each.is_own), default=None)
    return _begins_in_s(ar, ahead.held[Stage.AR], ahead.num_ar, ahead.ar) + cost.ar * ar.seconds_per_cost


def _begins_in_s(stage: Strength, held: Sequence[HeldRender], num: int, cost: float) -> float:
    """When the stage is free for what stands behind `num` waiting renders of that cost altogether."""
    work_s = stage.seconds_for(cost) or 0.0
    if stage.servers > _MOST_SERVERS:
        return work_s + stage.residual_s
    free_s = [0.0] * stage.servers
    for index, each in enumerate(held):
        server = each.server % stage.servers if stage.stage is Stage.DIT else index % stage.servers
        free_s[server] += _left_s(each, stage)
    return begins_s(free_s, num, work_s * stage.servers)


def _own_end_s(held: Sequence[HeldRender], dit: Strength) -> float | None:
    """When the job's last held render is decoded: behind what its worker decodes first. None: its worker is gone."""
    ends_s: dict[int, float] = {}
    own_s = []
    for each in held:
        ends_s[each.server] = ends_s.get(each.server, 0.0) + _left_s(each, dit)
        if each.is_own:
            own_s.append(ends_s[each.server])
    return max(own_s, default=None)


def _left_s(held: HeldRender, stage: Strength) -> float:
    return max(0.0, held.cost * (stage.seconds_per_cost or 0.0) - held.used_s)
