"""Simulates many DiT workers on a virtual clock by the rules of docs/fairness.md: pre-emption between steps, and claims
ahead.

A worker computes one render. It pauses a batch render at the next step when an interactive render arrives and no worker
is idle. Fetching the inputs of a claim takes a moment; a busy worker fetches them beside its running render.
"""

import math
import random
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from heapq import heappop, heappush
from itertools import count
from statistics import quantiles

from benchmarks.fair_queue import Demand, FairOrder
from shared.ids import ObjectKey
from shared.jobs.spec import Priority, RenderSettings
from shared.schedule.cost import cost_of

UNIT_S = 10.0  # device time of a picture of 1024x1024
NUM_STEPS = 50
FETCH_S = 0.3  # time of a claim and of fetching its inputs
LEAD_S = 0.5 + 1.5 * FETCH_S  # the next render is claimed this long before the running one ends
FLOOR = 0.1
BATCH_TENANT = -1
_SIDES_PX, _EDITS = (512, 768, 1024, 1024, 1024, 1536, 2048), 0.2


def drawn_cost(dice: random.Random) -> float:
    """Draws the cost of a render of 512 to 2048 pixels a side, in units of a 1024x1024 picture.

    A fifth of the renders are edits.
    """
    side_px = dice.choice(_SIDES_PX)
    images = (ObjectKey("a"),) if dice.random() < _EDITS else ()
    settings = RenderSettings(prompt="a", width_px=side_px, height_px=side_px, images=images)
    unit = RenderSettings(prompt="a", width_px=1024, height_px=1024)
    return cost_of(settings).dit / cost_of(unit).dit


@dataclass(slots=True)
class Run:
    """A render on a worker. While it shares the worker with a paused render, it gets less than all steps."""

    demand: Demand
    left_s: float
    began_s: float = 0.0
    speed: float = 1.0
    stretch: int = 0  # number of the current stretch; events of an earlier stretch are ignored

    @property
    def step_s(self) -> float:
        return self.demand.cost * UNIT_S / NUM_STEPS

    @property
    def ends_s(self) -> float:
        return self.began_s + self.left_s / self.speed


@dataclass(slots=True, eq=False)
class _Worker:
    running: Run | None = None
    paused: Run | None = None
    ahead: Demand | None = None


@dataclass(slots=True)
class Outcome:
    """The outcome of a simulation.

    `waits_s` has the seconds of each interactive render from its request to its first step. `computed` has the start
    and end of each stretch in which a worker computed.
    """

    waits_s: list[float] = field(default_factory=list)
    computed: list[tuple[float, float]] = field(default_factory=list)
    batch_waited_until_s: float = 0.0

    def percentile_s(self, share: int) -> float:
        return quantiles(self.waits_s, n=100)[share - 1]

    def utilisation(self, num_workers: int) -> float:
        """Returns the share of all workers' time that was computed while batch renders waited."""
        until_s = self.batch_waited_until_s
        return sum(max(0.0, min(end, until_s) - start) for start, end in self.computed) / (num_workers * until_s)


class Fleet:
    """Simulates DiT workers that render all demands, which are given in order of time."""

    def __init__(self, order: FairOrder, num_workers: int, dice: random.Random) -> None:
        self._order, self._dice = order, dice
        self._workers = [_Worker() for _ in range(num_workers)]
        self._idle = list(self._workers)
        self._num_batch = 0
        self._events: list[tuple[float, int, bool, int, _Worker, Run]] = []  # time, number, is_end, stretch
        self._numbers = count(1)
        self.outcome = Outcome()

    def run(self, demands: Iterable[Demand]) -> Outcome:
        coming: Iterator[Demand] = iter(demands)
        upcoming = next(coming, None)
        while upcoming or self._events:
            if upcoming and (not self._events or upcoming.came_s <= self._events[0][0]):
                self._arrive(upcoming)
                upcoming = next(coming, None)
            else:
                at_s, _, is_end, stretch, worker, run = heappop(self._events)
                if worker.running is run and run.stretch == stretch:
                    (self._end if is_end else self._claim_ahead)(worker, run, at_s)
        return self.outcome

    def _arrive(self, demand: Demand) -> None:
        self._order.add(demand)
        self._num_batch += demand.priority is Priority.BATCH
        if self._idle:
            self._begin_next(self._idle.pop(), demand.came_s)
        elif demand.priority is Priority.INTERACTIVE and (worker := self._pre_emptible()):
            self._pre_empt(worker, demand.came_s)

    def _pre_emptible(self) -> _Worker | None:
        """Returns a worker that computes only a batch render, or None.

        In the service every worker of this kind gets the hint and the quickest one pre-empts. Here one is drawn at
        random.
        """
        found = [
            worker for worker in self._dice.sample(self._workers, min(32, len(self._workers))) if _may_yield(worker)
        ]
        return found[0] if found else next(filter(_may_yield, self._workers), None)

    def _claimed(self, lowest: Priority, now_s: float) -> Demand | None:
        demand = self._order.next(lowest)
        if demand and demand.priority is Priority.BATCH:
            self._num_batch -= 1
            if self._num_batch == 0:
                self.outcome.batch_waited_until_s = now_s
        return demand

    def _begin_next(self, worker: _Worker, now_s: float) -> None:
        demand = self._claimed(Priority.BATCH, now_s)
        if demand:
            self._begin(worker, demand, now_s + FETCH_S)
        else:
            self._idle.append(worker)

    def _begin(self, worker: _Worker, demand: Demand, at_s: float) -> None:
        if demand.priority is Priority.INTERACTIVE:
            self.outcome.waits_s.append(at_s - demand.came_s)
        self._go_on(worker, Run(demand, demand.cost * UNIT_S), at_s)

    def _go_on(self, worker: _Worker, run: Run, at_s: float) -> None:
        run.began_s, run.stretch, worker.running = at_s, next(self._numbers), run
        run.speed = 1 - FLOOR if worker.paused else 1.0
        self._plan(run.ends_s, worker, run, is_end=True)
        if not worker.paused:
            self._plan(max(at_s, run.ends_s - LEAD_S), worker, run, is_end=False)

    def _plan(self, at_s: float, worker: _Worker, run: Run, *, is_end: bool) -> None:
        heappush(self._events, (at_s, next(self._numbers), is_end, run.stretch, worker, run))

    def _claim_ahead(self, worker: _Worker, _: Run, now_s: float) -> None:
        if not self._idle and not worker.ahead:
            worker.ahead = self._claimed(Priority.BATCH, now_s)

    def _pre_empt(self, worker: _Worker, now_s: float) -> None:
        """Claims the next interactive render and plans its start between two steps of the running render, once its
        inputs are fetched.
        """
        demand, run = self._claimed(Priority.INTERACTIVE, now_s), worker.running
        assert demand
        assert run
        if worker.ahead:
            self._order.give_back(worker.ahead)
            self._num_batch += worker.ahead.priority is Priority.BATCH
            worker.ahead = None
        num_steps = max(0, math.ceil((now_s + FETCH_S - run.began_s) / run.step_s))
        at_s = run.began_s + num_steps * run.step_s
        if at_s >= run.ends_s:  # the running render ends before
            worker.ahead = demand
            return
        self.outcome.computed.append((run.began_s, at_s))
        run.left_s = run.ends_s - at_s
        worker.paused = run
        self._begin(worker, demand, at_s)

    def _end(self, worker: _Worker, run: Run, now_s: float) -> None:
        self.outcome.computed.append((run.began_s, now_s))
        worker.running = None
        if self._has_paused(worker, run, now_s):
            paused, worker.paused = worker.paused, None
            assert paused
            self._go_on(worker, paused, now_s)
            if self._order.has(Priority.INTERACTIVE):
                self._pre_empt(worker, now_s)
        elif demand := worker.ahead:
            worker.ahead = None
            self._begin(worker, demand, now_s)
        else:
            self._begin_next(worker, now_s)

    def _has_paused(self, worker: _Worker, run: Run, now_s: float) -> bool:
        """Gives the paused render its floor of the steps since `run` began, which may end it.

        Returns whether it is still paused.
        """
        if worker.paused:
            worker.paused.left_s -= FLOOR * (now_s - run.began_s)
            if worker.paused.left_s <= 0:
                worker.paused = None
        return worker.paused is not None


def _may_yield(worker: _Worker) -> bool:
    run = worker.running
    return (
        run is not None
        and run.demand.priority is Priority.BATCH
        and not worker.paused
        and not (worker.ahead and worker.ahead.priority is Priority.INTERACTIVE)
    )


def interactive_demands(
    num_workers: int, num_tenants: int, load: float, lasts_s: float, dice: random.Random
) -> Sequence[Demand]:
    """Draws interactive renders of many tenants that keep the share `load` of all workers busy."""
    mean_s = UNIT_S * sum(drawn_cost(dice) for _ in range(1_000)) / 1_000
    now_s, found = 0.0, []
    while (now_s := now_s + dice.expovariate(num_workers * load / mean_s)) < lasts_s:
        found.append(Demand(dice.randrange(num_tenants), Priority.INTERACTIVE, drawn_cost(dice), now_s))
    return found


def batch_backlog(num: int, dice: random.Random) -> Sequence[Demand]:
    """Returns batch renders of one tenant that all arrive before any other render."""
    return [Demand(BATCH_TENANT, Priority.BATCH, drawn_cost(dice), 0.0) for _ in range(num)]
