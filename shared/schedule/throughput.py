"""Estimates when a job starts and ends, from the measured throughput of the stages and the work ahead of the job."""

import heapq
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from shared.jobs.leases import spare_rows
from shared.jobs.pauses import Pause
from shared.jobs.spec import Priority
from shared.jobs.states import Stage
from shared.schedule.cost import Cost
from shared.schedule.sizes import ANY_SIZE, Sizes

_ROUNDS_ONE_BY_ONE = 4  # last rounds of a long queue that are simulated render by render; earlier ones are added up
_MOST_SERVERS = 64  # with more servers, one becomes free so often that a mean is as accurate as a simulation
# Least share of a stage that estimates leave to a class. A lower class gets its floor in any case (docs/fairness.md),
# and without a least share the estimate would be infinite in a minute that is full of interactive work.
_LEAST_SHARE = 0.05


@dataclass(frozen=True, slots=True)
class Strength:
    """The capacity of a stage: its live workers, their slots, the renders that the workers hold, and the recently
    measured throughput.

    In AR, `slots` are rows. In the DiT, they are renders that may share a step. DiT workers also hold renders that are
    prepared ahead or pre-empted, so `running` may exceed `slots`.

    These three are None until a render was finished:
    - `seconds_per_cost` is how many seconds a render takes for one unit of its cost. In AR these are seconds of the
      render's row. In the DiT they are seconds of the device, as if the device computed one render at a time.
    - `full_seconds_per_cost` is the same for a worker whose slots are all in use.
    - `render_s` is the mean time of a render.

    `recent_per_s` is the cost per second of each class's renders that finished recently. `share` is the share of the
    stage that the renders of a class get beside the expected work of higher classes (see `for_class`).
    """

    stage: Stage
    workers: int
    slots: int
    running: int
    seconds_per_cost: float | None
    full_seconds_per_cost: float | None
    render_s: float | None
    recent_per_s: Mapping[Priority, float] = field(default_factory=dict)
    share: float = 1.0

    @property
    def servers(self) -> int:
        """Returns how many renders the stage computes at once: one per row in AR, one per worker in the DiT.

        A DiT worker may compute several renders in one step. They count as if they ran one after the other, and their
        measured device seconds are counted in the same way.
        """
        return self.workers if self.stage is Stage.DIT else self.slots

    def for_class(self, priority: Priority) -> "Strength":
        """Returns the part of the stage's capacity that renders of a scheduling class may use.

        The estimate expects that higher classes go on to get as much work done per second as they did recently. In AR,
        one row of each worker is only for the class `interactive`. Only work that does not fit into these rows takes
        capacity from a lower class.
        """
        if not self.servers or not priority.rank:
            return self
        is_in_rows = self.stage is Stage.AR
        reserved = self.workers * spare_rows(self.slots // self.workers) if is_in_rows else 0
        higher = sum(per_s for other, per_s in self.recent_per_s.items() if other.rank < priority.rank)
        taken = max(0.0, higher * (self.full_seconds_per_cost or 0.0) - reserved)
        rest = replace(self, slots=self.slots - reserved)
        return replace(rest, share=max(_LEAST_SHARE, 1 - taken / rest.servers))

    def seconds_for(self, cost: float) -> float | None:
        """Returns the seconds that the live workers of the stage, all working together, need for work of this cost.
        Returns None if nothing was measured or no worker lives.
        """
        if self.full_seconds_per_cost is None or not self.servers:
            return None
        return cost * self.full_seconds_per_cost / (self.servers * self.share)

    def run_s(self, cost: float, used_s: float = 0.0) -> float:
        """Returns the seconds that a render of this cost still runs, after it has used `used_s` of its time.

        The DiT pre-empts it for renders of higher classes. In AR, a render keeps its row.
        """
        left_s = max(0.0, cost * (self.seconds_per_cost or 0.0) - used_s)
        return left_s / self.share if self.stage is Stage.DIT else left_s

    @property
    def residual_s(self) -> float:
        """Returns the mean seconds until one of the stage's servers is free. A server computes one render at a time.

        If all servers are busy, this is half the mean time of a render, divided by the number of servers. Otherwise it
        is 0.
        """
        is_full = self.servers and self.running >= self.servers
        return 0.5 * (self.render_s or 0.0) / self.servers if is_full else 0.0


@dataclass(frozen=True, slots=True)
class HeldRender:
    """A render that a live worker holds, as input for the estimate of a job's end. The class of the render is the class
    of the job, or a more urgent one.

    - `server` is the number of the worker.
    - `cost` is the cost of the render in its current stage.
    - `used_s` is the time that the render has used so far in this stage: seconds of the device in the DiT, seconds of
      the render's row in AR.
    - `later_cost` is the DiT cost of a render that is still in AR.
    - `is_own` says that the render belongs to the job itself.
    """

    server: int
    cost: int
    used_s: float
    later_cost: int
    is_own: bool


@dataclass(frozen=True, slots=True)
class Ahead:
    """The work ahead of a job: waiting renders that are claimed before the job's last render, and renders that workers
    hold.

    - `stage` is the stage of the job's least advanced renders.
    - `position` is the number of renders in this stage that are ahead of the job's first render.
    - `is_waiting` is false if workers hold the job's least advanced renders.
    - `num_ar` and `num_dit` count the waiting renders ahead of the job's last render in each stage. `ar` and `dit` are
      the costs of these renders. `dit_later` is the DiT cost of the `num_ar` renders.
    - `held` lists the renders that workers hold in each stage, in the order in which they are computed.
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
    """The estimate for a job that has not ended. `eta_s` is the seconds until the job ends. It is None while nothing is
    measured.

    `queue` is the job's place in the queue. It is None if no render of the job waits. `pause` is why the job waits, if
    an operator has paused what it needs. Its end is unknown then.
    """

    eta_s: float | None
    queue: "QueuePlace | None"
    pause: Pause | None = None


@dataclass(frozen=True, slots=True)
class QueuePlace:
    """The place of a waiting job in the queue. `eta_s` is the seconds until the job's last waiting picture is finished,
    or None if unknown.

    `unserved` lists the stages that the job still needs and in which no live worker serves the job's model revision.
    The job waits until a worker with that revision starts. A stage is also listed if live workers serve the revision
    but none has the memory for the job's size. `reason` says so then, and is '' otherwise.
    """

    stage: Stage
    position: int
    eta_s: float | None
    unserved: tuple[Stage, ...]
    reason: str = ""


NO_OUTLOOK = Outlook(None, None)


@dataclass(frozen=True, slots=True)
class OpenWork:
    """The open work of a stage: the part of its waiting work that one more worker could start at once.

    Two kinds of work are left out: work that waits for a tenant's limit, and work for a model revision that no worker
    serves. `cost` is the cost in this stage. `later_cost` is the DiT cost of renders that wait for AR.
    """

    renders: int
    cost: int
    later_cost: int


@dataclass(frozen=True, slots=True)
class QueueLoad:
    """The work of one model revision that waits for a stage, and the capacity of the workers that serve this revision.
    Costs are in units of `shared.schedule.cost`.

    `coming_cost` is the cost that renders will have in this stage, while they still wait for the earlier stage. `sizes`
    are those that some of these workers can render.
    """

    strength: Strength
    waiting: int
    waiting_cost: float
    coming_cost: float
    sizes: Sizes = ANY_SIZE


@dataclass(frozen=True, slots=True)
class StageLoad:
    """The waiting and running work of a stage. Costs are in units of `shared.schedule.cost`.

    - `coming_cost` is the cost that renders will have in this stage, while they still wait for the earlier stage.
    - `unserved` counts, by model revision, the waiting renders that no live worker serves.
    - `too_large` counts, by size, the waiting renders that are too large for all live workers of their revision. In the
      DiT it includes those that still wait for AR. `sizes` are those that some live worker can render.
    - `orphans` is the number of renders of dead workers that were not recovered yet.
    - `last_slots` is the number of slots of the worker that lived last, and 0 if there never was one.
    - `ahead` is the number of token grids that wait for the DiT.
    - `is_stalled` says that no render was claimed for a long time although work waits and slots are free
      (shared/store/queues/stalls.lua).
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
    too_large: Mapping[str, int] = field(default_factory=dict)
    sizes: Sizes = ANY_SIZE

    @property
    def backlog_s(self) -> float | None:
        """Returns the seconds that the live workers need for the stage's waiting work. Returns None while no worker
        lives or nothing was measured.

        An autoscaler that scales from zero workers can't use this value. For that, see shared/schedule/autoscaling.py.
        """
        return self.strength.seconds_for(self.waiting_cost)

    @property
    def largest(self) -> str | None:
        """Returns the largest picture that a live worker can render, such as `2048x2048`; None while none lives."""
        return self.sizes.largest_picture.words if self.strength.workers else None

    @property
    def num_held(self) -> int:
        """Returns the number of the stage's renders that workers hold. Renders of workers that died count too."""
        return self.strength.running + self.orphans


def outlook(ahead: Ahead, cost: Cost, strengths: Mapping[Stage, Strength]) -> Outlook:
    """Returns the estimated end of a job and the job's place in the queue.

    `ahead` is the work ahead of the job, `cost` the cost of each of the job's renders, and `strengths` the capacity of
    both stages.
    """
    to_come = [Stage.DIT] if ahead.stage is Stage.DIT else list(Stage)
    unserved = tuple(stage for stage in to_come if not strengths[stage].workers)
    eta_s = eta(ahead, cost, strengths)
    place = QueuePlace(ahead.stage, ahead.position, eta_s, unserved) if ahead.is_waiting else None
    return Outlook(eta_s, place)


def eta(ahead: Ahead, cost: Cost, strengths: Mapping[Stage, Strength]) -> float | None:
    """Returns the seconds until the job's last render is decoded. Returns None if a stage that the job needs has no
    worker or no measured throughput.

    The DiT starts a render when its token grid exists and all renders ahead of it are decoded. Some renders are in AR
    now, others wait for AR. The estimate assumes that the renders in AR reach the DiT first.
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
    return begins_s + dit.run_s(cost.dit)


def begins_s(free_s: Sequence[float], num: int, work_s: float) -> float:
    """Returns the seconds until a server can start a render that has `num` renders ahead of it. A server computes one
    render at a time.

    `free_s` has the seconds until each server is free. The renders ahead take `work_s` seconds in total. The estimate
    treats them as equally long, and gives each one to the server that is free first. For a long queue it does not
    simulate single renders, but adds up rounds in which every server takes one render.
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
    """Returns the seconds until the DiT is free for the job's last render."""
    coming = [each for each in ahead.held[Stage.AR] if not each.is_own] if ahead.stage is Stage.AR else []
    cost = ahead.dit + ahead.dit_later + sum(each.later_cost for each in coming)
    num = ahead.num_dit + len(coming) + (ahead.num_ar if ahead.stage is Stage.AR else 0)
    return _begins_in_s(dit, ahead.held[Stage.DIT], num, cost)


def _grid_at_s(ahead: Ahead, cost: Cost, ar: Strength) -> float | None:
    """Returns the seconds until AR has finished the token grid of the job's last render."""
    if ar.seconds_per_cost is None or not ar.servers:
        return None
    if not ahead.is_waiting:
        return max((ar.run_s(each.cost, each.used_s) for each in ahead.held[Stage.AR] if each.is_own), default=None)
    return _begins_in_s(ar, ahead.held[Stage.AR], ahead.num_ar, ahead.ar) + ar.run_s(cost.ar)


def _begins_in_s(stage: Strength, held: Sequence[HeldRender], num: int, cost: float) -> float:
    """Returns the seconds until the stage can start a render behind `num` waiting renders, whose total cost is `cost`.
    `held` lists the renders that workers hold.
    """
    work_s = stage.seconds_for(cost) or 0.0
    if stage.servers > _MOST_SERVERS:
        return work_s + stage.residual_s
    free_s = [0.0] * stage.servers
    for index, each in enumerate(held):
        server = each.server % stage.servers if stage.stage is Stage.DIT else index % stage.servers
        free_s[server] += stage.run_s(each.cost, each.used_s)
    return begins_s(free_s, num, work_s * stage.servers)


def _own_end_s(held: Sequence[HeldRender], dit: Strength) -> float | None:
    """Returns the seconds until DiT workers have decoded all renders of the estimated job that they hold now.

    Each worker decodes the renders that it holds in the order of `held`. Returns None if no worker holds a render of
    the job any more.
    """
    ends_s: dict[int, float] = {}
    own_s = []
    for each in held:
        ends_s[each.server] = ends_s.get(each.server, 0.0) + dit.run_s(each.cost, each.used_s)
        if each.is_own:
            own_s.append(ends_s[each.server])
    return max(own_s, default=None)
