"""Computes how many waiting renders come before a job, if no more work arrives. Does no I/O.

The order is the order of claims (docs/fairness.md): higher classes first, then the tenant with the lowest tag, then the
rank. The work that lower classes get as their least share is ignored. Renders are not counted one by one: where a part
of a lane comes before the job, the same part of the lane's cost does.
"""

import math
from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from operator import attrgetter
from typing import NamedTuple

from shared.jobs.spec import Priority

_PARTS = 1e6  # differences of tags are rounded to this part of an increase, because floats add up inexactly


@dataclass(frozen=True, slots=True)
class Lane:
    """The waiting renders of one stage, class, tenant and model revision ('' for any): their number, their cost in the
    stage, and their later cost in the DiT while they wait for AR.
    """

    priority: Priority
    tenant: str
    revision: str
    size: int
    cost: float
    later_cost: float


@dataclass(frozen=True, slots=True)
class Pool:
    """The tenants that compete for a stage in one class. `members` has the name and the tag of each tenant's member.

    Of two equal tags, the one with the lower name is served first.
    """

    clock: float
    members: Mapping[str, tuple[str, float]]


@dataclass(frozen=True, slots=True)
class OwnLane:
    """A lane of the job's tenant and class, and how many of its renders come before the job's first and last one."""

    size: int
    cost: float
    later_cost: float
    num_before_first: int
    num_before_last: int


@dataclass(frozen=True, slots=True)
class Standing:
    """A tenant's place among the tenants of its pool: its tag, its member ('' outside the pool), weight and lanes."""

    tag: float
    member: str
    weight: float
    lanes: Sequence[OwnLane]


@dataclass(slots=True)
class Work:
    """A number of renders with their cost in a stage and their later cost in the DiT. Parts of renders add up."""

    size: float = 0.0
    cost: float = 0.0
    later_cost: float = 0.0

    def add(self, other: "Lane | OwnLane | Rival | Work", part: float) -> None:
        self.size += part * other.size
        self.cost += part * other.cost
        self.later_cost += part * other.later_cost


class Rival(NamedTuple):
    """The waiting renders of another tenant in the same class. Each claim raises its tag by `increase`.

    An estimate looks at thousands of these, so this is a tuple, which is read faster.
    """

    tenant: str
    tag: float
    member: str
    size: int
    cost: float
    later_cost: float
    increase: float

    def part_before(self, tag: float, member: str) -> float:
        """Returns the part of these renders (0 to 1) that is claimed before a tenant with this tag and member."""
        distance = (tag - self.tag) / self.increase if self.increase > 0 else 0.0
        if distance >= self.size:
            return 1.0
        distance = math.floor(distance * _PARTS + 0.5) / _PARTS
        goes_first = not member or (self.member != "" and self.member < member)
        num = math.floor(distance) + 1 if goes_first else math.ceil(distance)
        return max(0.0, min(1.0, num / self.size))


@dataclass(frozen=True, slots=True)
class Queues:
    """All waiting renders of one stage: its lanes, and its pools, which have a class and a model revision as their key.

    `weights` maps a tenant to its weight in the fair share. A tenant that it lacks has weight 1.
    """

    lanes: Sequence[Lane]
    pools: Mapping[tuple[Priority, str], Pool]
    weights: Mapping[str, float]
    _known: dict[tuple[Priority, str], "_Ahead"] = field(default_factory=dict)

    def before(self, priority: Priority, tenant: str, revision: str, own: Standing, *, is_last: bool) -> Work:
        """Returns the work that is claimed before the first render of a job, or before its last one.

        `priority`, `tenant` and `revision` are those of the job's lane, and `own` is the tenant's standing.
        """
        key = (priority, revision)
        if key not in self._known:
            self._known[key] = _Ahead(self._urgent(priority, revision), self._rivals(priority, revision))
        work, tag = Work(), own.tag
        for lane in own.lanes:
            part = (lane.num_before_last if is_last else lane.num_before_first) / lane.size
            work.add(lane, part)
            tag += part * lane.cost / own.weight
        self._known[key].add_to(work, tenant, tag, own.member)
        return work

    def _served_with(self, revision: str) -> Iterator[Lane]:
        """Yields the lanes from which the same workers claim."""
        return (lane for lane in self.lanes if not revision or lane.revision in ("", revision))

    def _urgent(self, priority: Priority, revision: str) -> Work:
        work = Work()
        for lane in self._served_with(revision):
            if lane.priority.rank < priority.rank:
                work.add(lane, 1.0)
        return work

    def _rivals(self, priority: Priority, revision: str) -> Iterator[Rival]:
        """Yields the tenants with waiting renders of a class. A tenant outside the pool has the pool's clock as tag."""
        pool = self.pools.get((priority, revision), Pool(0.0, {}))
        sums: dict[str, Work] = defaultdict(Work)
        for lane in self._served_with(revision):
            if lane.priority is priority:
                sums[lane.tenant].add(lane, 1.0)
        for tenant, work in sums.items():
            member, tag = pool.members.get(tenant, ("", 0.0))
            size = round(work.size)
            increase = work.cost / self.weights.get(tenant, 1.0) / size
            yield Rival(tenant, max(pool.clock, tag), member, size, work.cost, work.later_cost, increase)


class _Ahead:
    """The work of other classes and tenants that may come before jobs of one class and model revision."""

    def __init__(self, urgent: Work, rivals: Iterable[Rival]) -> None:
        self._urgent = urgent
        self._rivals = sorted(rivals, key=attrgetter("tag"))
        self._slack = max((rival.increase for rival in self._rivals), default=0.0) / _PARTS

    def add_to(self, work: Work, tenant: str, tag: float, member: str) -> None:
        """Adds all work that is claimed before the tenant's tag reaches `tag`.

        Tenants whose tags are higher come later with all their renders.
        """
        work.add(self._urgent, 1.0)
        end = bisect_right(self._rivals, tag + self._slack, key=attrgetter("tag"))
        for rival in islice(self._rivals, end):
            if rival.tenant != tenant:
                work.add(rival, rival.part_before(tag, member))
