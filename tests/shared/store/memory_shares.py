"""The twin's fair shares: tags, clocks and credits of pools, as shared/store/queues/shares.lua keeps them."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import NamedTuple

from shared.ids import Revision, TenantId
from shared.jobs.spec import Priority
from shared.jobs.states import Stage


class Pool(NamedTuple):
    """Renders that compete for the same workers: of one stage, priority and model revision."""

    stage: Stage
    priority: Priority
    revision: Revision


class Member(NamedTuple):
    """A tenant in a pool; members are served in this order."""

    tag: float
    since_ms: int
    tenant: TenantId


@dataclass(eq=False)
class Shares:
    """`weight_of` is asked at every payment, so a new weight acts at once."""

    now_ms: Callable[[], int]
    weight_of: Callable[[TenantId], int]
    members: dict[Pool, dict[TenantId, Member]] = field(default_factory=dict)
    clocks: dict[Pool, float] = field(default_factory=dict)
    credits: dict[Pool, float] = field(default_factory=dict)
    parked: dict[TenantId, set[Pool]] = field(default_factory=dict)

    def in_order(self, pool: Pool) -> list[Member]:
        return sorted(self.members.get(pool, {}).values())

    def join(self, pool: Pool, tenant: TenantId) -> None:
        member, clock = self._of(pool).get(tenant), self.clocks.get(pool, 0)
        if member is None or member.tag < clock:
            self._of(pool)[tenant] = Member(clock, self.now_ms(), tenant)

    def leave(self, pool: Pool, tenant: TenantId) -> None:
        self._of(pool).pop(tenant, None)

    def park(self, pool: Pool, tenant: TenantId) -> None:
        self.parked.setdefault(tenant, set()).add(pool)

    def unpark(self, tenant: TenantId) -> None:
        for pool in self.parked.pop(tenant, ()):
            self.join(pool, tenant)

    def pay(self, pool: Pool, tenant: TenantId, cost: int, *, is_in_turn: bool) -> None:
        clock = self.clocks.get(pool, 0)
        member = self._of(pool).get(tenant) or Member(clock, self.now_ms(), tenant)
        tag = max(clock, member.tag)
        if is_in_turn:
            self.clocks[pool] = tag
        self._of(pool)[tenant] = member._replace(tag=tag + cost / self.weight_of(tenant))

    def refund(self, pool: Pool, tenant: TenantId, cost: int) -> None:
        member = self._of(pool).get(tenant)
        if member:
            tag = max(self.clocks.get(pool, 0), member.tag - cost / self.weight_of(tenant))
            self._of(pool)[tenant] = member._replace(tag=tag)

    def share_out(self, pool: Pool, cost: int, floor: float) -> None:
        """What a lower class gets, and pays, for one render served to this pool."""
        for other in Priority:
            lower = pool._replace(priority=other)
            if other.rank > pool.priority.rank and self.members.get(lower):
                self.credits[lower] = self.credits.get(lower, 0) + cost * floor / (1 - floor)
        if pool.priority.rank:
            self.credits[pool] = max(0, self.credits.get(pool, 0) - cost)

    def credit(self, pool: Pool) -> float:
        return self.credits.get(pool, 0)

    def _of(self, pool: Pool) -> dict[TenantId, Member]:
        return self.members.setdefault(pool, {})
