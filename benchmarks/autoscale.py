"""Simulates an autoscaler like KEDA's that follows `wanted_workers`, in plain Python: `python -m benchmarks.autoscale`.

It simulates two stages, workers that need minutes to start, and the loops of KEDA and the HPA with the chart's
settings. It reports the time until a backlog is done, how often scaling changes its direction, and whether scaling ends
at zero.
"""

import itertools
import math
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from shared.jobs.states import Stage
from shared.schedule.autoscaling import ScalingRules, wanted_workers
from shared.schedule.throughput import OpenWork, StageLoad, Strength

RULES = ScalingRules(target_wait_s=60, prior_ready_limit_min=16)
COST = 1000  # cost of a render in each stage


@dataclass(frozen=True, slots=True)
class Autoscaler:
    """The settings of KEDA and the HPA, in seconds.

    KEDA polls and starts the first worker; the HPA does all other scaling.
    """

    poll_s: int = 30
    sync_s: int = 15
    up_every_s: int = 60  # to at most twice the number of workers
    down_every_s: int = 120  # by one worker
    stabilisation_s: int = 600
    cooldown_s: int = 1800  # from one worker to none
    tolerance: float = 0.1
    most: int = 16


@dataclass(frozen=True, slots=True)
class Device:
    """The performance of a worker. `alone_s` is the time of a render that has the worker alone.

    `serial` is the share of this time that renders can't share. With 1, like a DiT, renders are computed one after the
    other; with 0, renders cost no more together than alone.
    """

    slots: int
    alone_s: float
    serial: float
    start_s: int = 240

    def render_s(self, num_beside: int) -> float:
        return self.alone_s * (1 + self.serial * (num_beside - 1))

    @property
    def renders_per_s(self) -> float:
        return self.slots / self.render_s(self.slots)


DEVICES = {Stage.AR: Device(16, alone_s=20, serial=0.05), Stage.DIT: Device(2, alone_s=8, serial=1)}


@dataclass(slots=True)
class MovingAverage:
    """The moving average of seconds per cost, with the rule of `full_` in shared/store/queues/throughput.lua."""

    seconds: float = 0
    cost: float = 0
    num: float = 0
    step_from: float = 0
    step_at_s: float = -math.inf

    def add(self, seconds: float, occupancy: float, now_s: float) -> None:
        is_settled, kept = self.num >= 5, 1 - 0.05 * occupancy
        if is_settled:
            average = self.seconds / self.cost
            seconds = max(average / 4 * COST, min(seconds, average * 4 * COST))
            if now_s - self.step_at_s >= 30:
                self.step_from, self.step_at_s = average, now_s
        self.seconds, self.cost = kept * self.seconds + occupancy * seconds, kept * self.cost + occupancy * COST
        if is_settled:
            self.seconds = max(self.step_from / 2 * self.cost, min(self.seconds, self.step_from * 2 * self.cost))
        self.num = kept * self.num + occupancy

    @property
    def per_cost(self) -> float | None:
        return self.seconds / self.cost if self.cost else None


@dataclass(slots=True)
class Worker:
    """A simulated worker. `done` has the finished share of each render, and when the render arrived."""

    ready_at_s: float
    done: list[tuple[float, float]] = field(default_factory=list)


@dataclass(slots=True)
class StageState:
    """A simulated stage: its device, its queue with the arrival time of each render, its workers, and the wanted
    number of workers.
    """

    stage: Stage
    device: Device
    queue: deque[float] = field(default_factory=deque)
    workers: list[Worker] = field(default_factory=list)
    average_s: MovingAverage = field(default_factory=MovingAverage)
    replicas: int = 0

    def live(self, now_s: float) -> list[Worker]:
        return [worker for worker in self.workers if worker.ready_at_s <= now_s]

    def scale_to(self, num: int, now_s: float) -> int:
        """Sets the number of workers and returns how many renders were handed back.

        The newest workers are removed first, as Kubernetes does.
        """
        self.replicas, handed_back = num, 0
        while len(self.workers) < num:
            self.workers.append(Worker(now_s + self.device.start_s))
        while len(self.workers) > num:
            for _, came_s in self.workers.pop().done:
                self.queue.appendleft(came_s)
                handed_back += 1
        return handed_back

    def step(self, now_s: float, may_claim: Callable[[], bool]) -> int:
        """Simulates one second of all workers. Returns how many renders were finished."""
        finished = 0
        for worker in self.live(now_s):
            while self.queue and len(worker.done) < self.device.slots and may_claim():
                worker.done.append((0.0, self.queue.popleft()))
            beside = len(worker.done)
            going_on = []
            for before, came_s in worker.done:
                share = before + 1 / self.device.render_s(beside)
                if share < 1:
                    going_on.append((share, came_s))
                    continue
                finished += 1
                self.average_s.add(self._averaged_s(beside), beside / self.device.slots, now_s)
            worker.done = going_on
        return finished

    def _averaged_s(self, beside: int) -> float:
        """Returns the seconds that a render adds to the average.

        In the DiT stage, renders that share the device share its seconds.
        """
        return self.device.render_s(beside) / (beside if self.stage is Stage.DIT else 1)

    def load(self, now_s: float, open_work: OpenWork, ahead: int) -> StageLoad:
        live = self.live(now_s)
        strength = Strength(
            stage=self.stage,
            workers=len(live),
            slots=len(live) * self.device.slots,
            running=sum(len(worker.done) for worker in live),
            seconds_per_cost=self.average_s.per_cost,
            full_seconds_per_cost=self.average_s.per_cost,
            render_s=None,
        )
        waiting = len(self.queue)
        return StageLoad(strength, waiting, waiting * COST, 0, {}, open_work, 0, self.device.slots, ahead, False)


@dataclass(slots=True)
class Loop:
    """The memory of KEDA and the HPA about one stage."""

    rules: Autoscaler
    polled: int = 0
    active_at_s: float = -math.inf
    recommended: deque[tuple[float, int]] = field(default_factory=deque)
    went_up_at_s: float = -math.inf
    went_down_at_s: float = -math.inf

    def poll(self, wanted: int, now_s: float) -> None:
        self.polled = wanted
        if wanted:
            self.active_at_s = now_s

    def next_replicas(self, current: int, now_s: float) -> int:
        """Returns the next number of workers: by KEDA's rules for zero and for the step from one to zero, otherwise
        by the HPA's.
        """
        if current == 0:
            return 1 if self.polled else 0
        wanted = max(1, min(self.polled, self.rules.most))
        if abs(self.polled / current - 1) <= self.rules.tolerance:
            wanted = current
        self.recommended.append((now_s, wanted))
        while self.recommended[0][0] < now_s - self.rules.stabilisation_s:
            self.recommended.popleft()
        if wanted > current and now_s - self.went_up_at_s >= self.rules.up_every_s:
            self.went_up_at_s = now_s
            return min(wanted, 2 * current)
        most = max(num for _, num in self.recommended)
        if most < current and now_s - self.went_down_at_s >= self.rules.down_every_s:
            self.went_down_at_s = now_s
            return current - 1
        if current == 1 and not self.polled and now_s - self.active_at_s >= self.rules.cooldown_s:
            return 0
        return current


@dataclass(frozen=True, slots=True)
class Report:
    """The outcome of one load. `turns` counts how often a stage changed from growing to shrinking or back."""

    name: str
    num_renders: int
    cleared_s: float | None
    waited_most_s: float
    most: Mapping[Stage, int]
    turns: Mapping[Stage, int]
    handed_back: int
    ends_at_zero: bool
    worker_hours: Mapping[Stage, float]


@dataclass(slots=True)
class Simulation:
    """Simulates one load. `arrivals(now_s)` returns how many renders arrive in that second."""

    arrivals: Callable[[int], int]
    rules: Autoscaler = field(default_factory=Autoscaler)
    devices: Mapping[Stage, Device] = field(default_factory=lambda: DEVICES)
    history: Mapping[Stage, list[int]] = field(default_factory=lambda: {stage: [] for stage in Stage})
    handed_back: int = 0

    def run(self, name: str, length_s: int) -> Report:
        stages = {stage: StageState(stage, self.devices[stage]) for stage in Stage}
        loops = {stage: Loop(self.rules) for stage in Stage}
        num_renders, last_arrival_s, cleared_s, waited_most_s = 0, 0, None, 0.0
        for now_s in range(length_s):
            if num := self.arrivals(now_s):
                stages[Stage.AR].queue.extend([now_s] * num)
                num_renders, last_arrival_s, cleared_s = num_renders + num, now_s, None
            self._work(stages, now_s)
            self._scale(stages, loops, now_s)
            if stages[Stage.AR].queue:
                waited_most_s = max(waited_most_s, now_s - stages[Stage.AR].queue[0])
            if cleared_s is None and not any(_is_busy(state) for state in stages.values()):
                cleared_s = now_s - last_arrival_s
        return Report(
            name,
            num_renders,
            cleared_s,
            waited_most_s,
            {stage: max(self.history[stage]) for stage in Stage},
            {stage: turns_of(self.history[stage]) for stage in Stage},
            self.handed_back,
            all(state.replicas == 0 for state in stages.values()),
            {stage: sum(self.history[stage]) / 3600 for stage in Stage},
        )

    def _work(self, stages: Mapping[Stage, StageState], now_s: int) -> None:
        ar, dit = stages[Stage.AR], stages[Stage.DIT]
        limit = max(RULES.prior_ready_limit_min, 4 * dit.device.slots * len(dit.live(now_s)))
        made = ar.step(now_s, lambda: len(dit.queue) < limit)
        dit.queue.extend([now_s] * made)
        dit.step(now_s, lambda: True)

    def _scale(self, stages: Mapping[Stage, StageState], loops: Mapping[Stage, Loop], now_s: int) -> None:
        if now_s % self.rules.poll_s == 0:
            ar, dit = (len(stages[stage].queue) for stage in Stage)
            loads = {
                Stage.AR: stages[Stage.AR].load(now_s, OpenWork(ar, ar * COST, ar * COST), dit),
                Stage.DIT: stages[Stage.DIT].load(now_s, OpenWork(dit, dit * COST, 0), 0),
            }
            for stage, wanted in wanted_workers(loads, RULES).items():
                loops[stage].poll(wanted, now_s)
        for stage, state in stages.items():
            if now_s % self.rules.sync_s == 0:
                self.handed_back += state.scale_to(loops[stage].next_replicas(state.replicas, now_s), now_s)
            self.history[stage].append(state.replicas)


def _is_busy(state: StageState) -> bool:
    return bool(state.queue) or any(worker.done for worker in state.workers)


def turns_of(history: Sequence[int]) -> int:
    """Returns how often the number of workers changed its direction."""
    signs = [after > before for before, after in itertools.pairwise(history) if after != before]
    return sum(before != after for before, after in itertools.pairwise(signs))


HOUR_S = 3600


def _rate(per_s: Callable[[int], float]) -> Callable[[int], int]:
    """Returns an arrival function with evenly spread arrivals at a rate that may change."""
    owed = 0.0

    def arrivals(now_s: int) -> int:
        nonlocal owed
        owed += per_s(now_s)
        num = math.floor(owed)
        owed -= num
        return num

    return arrivals


LOADS: Mapping[str, Callable[[], Callable[[int], int]]] = {
    "from zero to one picture": lambda: lambda now_s: int(now_s == 60),
    "trickle: one picture in 5 min": lambda: lambda now_s: int(now_s < 3 * HOUR_S and now_s % 300 == 60),
    "step: 1 picture/s for 3 h": lambda: _rate(lambda now_s: 1.0 if now_s < 3 * HOUR_S else 0),
    "bursts of 300 every 30 min": lambda: lambda now_s: 300 if now_s < 3 * HOUR_S and now_s % 1800 == 60 else 0,
    "sine: 0 to 1.5 pictures/s in 1 h": lambda: _rate(
        lambda now_s: 0.75 * (1 - math.cos(2 * math.pi * now_s / HOUR_S)) if now_s < 3 * HOUR_S else 0
    ),
    "5,000 at once": lambda: lambda now_s: 5000 if now_s == 60 else 0,
}
LENGTH_S = 6 * HOUR_S


def reports() -> Sequence[Report]:
    return [Simulation(load()).run(name, LENGTH_S) for name, load in LOADS.items()]


def table(found: Sequence[Report]) -> str:
    head = "| load | pictures | all done, min after the last came | longest wait for AR, min | most workers AR, DiT |"
    rows = [f"{head} turns AR, DiT | handed back | ends at zero | worker hours AR, DiT |", "|---" * 9 + "|"]
    for each in found:
        cleared = "never" if each.cleared_s is None else f"{each.cleared_s / 60:.0f}"
        pairs = [
            ", ".join(f"{values[stage]:.{digits}f}" for stage in Stage)
            for values, digits in ((each.most, 0), (each.turns, 0), (each.worker_hours, 1))
        ]
        rows.append(
            f"| {each.name} | {each.num_renders} | {cleared} | {each.waited_most_s / 60:.0f} | {pairs[0]} | {pairs[1]} "
            f"| {each.handed_back} | {'yes' if each.ends_at_zero else 'no'} | {pairs[2]} |"
        )
    return "\n".join(rows)


if __name__ == "__main__":
    print(table(reports()))
