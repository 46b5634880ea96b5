"""Models the order of claims in one stage, and an older order by age, for simulations of thousands of tenants."""

from collections import deque
from dataclasses import dataclass, field
from heapq import heappop, heappush
from typing import Protocol

from shared.jobs.spec import Priority


@dataclass(frozen=True, slots=True)
class Demand:
    """One waiting render."""

    tenant: int
    priority: Priority
    cost: float
    came_s: float


class Order(Protocol):
    """Decides which waiting render is served next."""

    def add(self, demand: Demand) -> None: ...

    def next(self) -> Demand | None: ...


@dataclass(eq=False)
class FirstCome:
    """Serves renders by age. A render of a lower class counts as younger, by the handicap of its class."""

    _heap: list[tuple[float, int, Demand]] = field(default_factory=list)
    _num_added: int = 0

    def add(self, demand: Demand) -> None:
        self._num_added += 1
        heappush(self._heap, (demand.came_s + demand.priority.handicap_s, self._num_added, demand))

    def next(self) -> Demand | None:
        return heappop(self._heap)[2] if self._heap else None


@dataclass(eq=False)
class _Pool:
    """Start-time fair queueing with the rules of shared/store/queues/shares.lua.

    Outdated heap entries of a member are skipped.
    """

    weights: dict[int, float]
    clock: float = 0.0
    lanes: dict[int, deque[Demand]] = field(default_factory=dict)
    members: dict[int, tuple[float, float]] = field(default_factory=dict)  # tenant -> tag, waiting since (s)
    heap: list[tuple[float, float, int]] = field(default_factory=list)

    def add(self, demand: Demand) -> None:
        self.lanes.setdefault(demand.tenant, deque()).append(demand)
        member = self.members.get(demand.tenant)
        if member is None or member[0] < self.clock:
            self._enter(demand.tenant, self.clock, demand.came_s)

    def first(self) -> Demand | None:
        while self.heap:
            tag, since_s, tenant = self.heap[0]
            is_current = self.members.get(tenant) == (tag, since_s)
            if is_current and self.lanes[tenant]:
                return self.lanes[tenant][0]
            heappop(self.heap)
            if is_current:
                del self.members[tenant]
        return None

    def serve(self, demand: Demand) -> None:
        self.lanes[demand.tenant].popleft()
        tag, since_s = self.members[demand.tenant]
        self.clock = max(self.clock, tag)
        self._enter(demand.tenant, self.clock + demand.cost / self.weights.get(demand.tenant, 1), since_s)

    def give_back(self, demand: Demand) -> None:
        self.lanes[demand.tenant].appendleft(demand)
        tag, since_s = self.members.get(demand.tenant, (self.clock, demand.came_s))
        self._enter(demand.tenant, max(self.clock, tag - demand.cost / self.weights.get(demand.tenant, 1)), since_s)

    def _enter(self, tenant: int, tag: float, since_s: float) -> None:
        self.members[tenant] = tag, since_s
        heappush(self.heap, (tag, since_s, tenant))


class FairOrder:
    """Serves renders by class with a floor for batch, then fair shares, then age, like
    shared/store/renders/claim.lua.
    """

    def __init__(self, weights: dict[int, float], floor: float) -> None:
        self._pools = {priority: _Pool(weights) for priority in Priority}
        pools = list(self._pools.values())
        self._up_to = {priority: pools[: priority.rank + 1] for priority in Priority}
        self._floor = floor
        self._credit = 0.0

    def add(self, demand: Demand) -> None:
        self._pools[demand.priority].add(demand)

    def next(self, lowest: Priority = Priority.BATCH) -> Demand | None:
        """Serves and returns a render of class `lowest` or of a higher class, or returns None."""
        demand = (self._pays_from_credit() if lowest is Priority.BATCH else None) or self._first(lowest)
        if demand is None:
            return None
        self._pools[demand.priority].serve(demand)
        if demand.priority is Priority.BATCH:
            self._credit = max(0.0, self._credit - demand.cost)
        elif self._pools[Priority.BATCH].members:
            self._credit += demand.cost * self._floor / (1 - self._floor)
        return demand

    def _pays_from_credit(self) -> Demand | None:
        batch = self._pools[Priority.BATCH].first() if self._credit > 0 else None
        self._credit = self._credit if batch else 0.0
        return batch if batch and batch.cost <= self._credit else None

    def has(self, priority: Priority) -> bool:
        """Returns whether a render of this class waits."""
        return self._pools[priority].first() is not None

    def give_back(self, demand: Demand) -> None:
        """Puts back a render that was claimed and not begun, before all others of its tenant."""
        self._pools[demand.priority].give_back(demand)

    def _first(self, lowest: Priority) -> Demand | None:
        return next((first for pool in self._up_to[lowest] if (first := pool.first())), None)
