"""The twin's choice of what to lease: in the fair order, under the AR limit, and suspects only in their turn."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from shared.ids import Revision, TenantId, WorkerId
from shared.jobs.spec import Priority
from shared.jobs.states import Stage
from tests.shared.store.memory_shares import Pool
from tests.shared.store.memory_state import Memory, RenderRecord, cost_in_stage, pool_of

PATIENCE_MS = 1_000
MOST_PASSED = 64


def choose(
    memory: Memory, stage: Stage, revision: Revision, worker: WorkerId, limit_min: int
) -> tuple[RenderRecord | None, bool]:
    """The render that this worker gets, or None; and whether the fair order chose it."""
    held = memory.held(worker)
    suspects = [r for r in _waiting(memory, stage) if r.group and r.job.revision == revision and _may_begin(memory, r)]
    if held and held[0].group:
        return next((r for r in suspects if r.group == held[0].group), None), False
    _end_turns(memory, stage, worker)
    taken = {render.group for owner in memory.turns[stage].has_started for render in memory.held(owner)}
    suspect = next((r for r in suspects if r.group not in taken), None)
    best = _Order(memory, stage, revision, limit_min).first()
    if suspect is None:
        return best, True
    whose = _whose_turn(memory, stage, worker, is_empty=not held, others_wait=best is not None)
    return {"suspect": suspect, "other": best}.get(whose), whose == "other"


def charge(memory: Memory, render: RenderRecord, floor: float, *, is_in_turn: bool) -> None:
    """Its tenant pays for it, and so does its class if it was its turn."""
    pool, cost = pool_of(render), cost_in_stage(render)
    memory.shares.pay(pool, render.job.spec.tenant, cost, is_in_turn=is_in_turn)
    if is_in_turn:
        memory.shares.share_out(pool, cost, floor)


@dataclass(frozen=True, slots=True)
class _Order:
    """Class with a floor, then fair share, then age."""

    memory: Memory
    stage: Stage
    revision: Revision
    limit_min: int

    def first(self) -> RenderRecord | None:
        if self.stage is Stage.AR and self.revision:
            for priority in Priority:
                self._admit_unpinned(Pool(self.stage, priority, self.revision))
        for priority in reversed(list(Priority)[1:]):
            pool = Pool(self.stage, priority, self.revision)
            credit = self.memory.shares.credit(pool)
            found = self._first_in(pool) if credit > 0 else None
            if found and cost_in_stage(found) <= credit:
                return found
            if found is None:
                self.memory.shares.credits.pop(pool, None)
        found_by_class = (self._first_in(Pool(self.stage, priority, self.revision)) for priority in Priority)
        return next((found for found in found_by_class if found), None)

    def _first_in(self, pool: Pool) -> RenderRecord | None:
        shares, num_passed = self.memory.shares, 0
        for member in shares.in_order(pool):
            waiting = self._waiting_of(pool, member.tenant)
            found = next((render for render in waiting if _may_begin(self.memory, render)), None)
            if found is None:
                shares.leave(pool, member.tenant)
                if waiting:
                    shares.park(pool, member.tenant)
            elif self._may_pass(found):
                return found
            else:
                num_passed += 1
            if num_passed == MOST_PASSED:
                return None
        return None

    def _admit_unpinned(self, pool: Pool) -> None:
        unpinned = pool._replace(revision=Revision(""))
        for member in self.memory.shares.in_order(unpinned):
            if self._waiting_of(unpinned, member.tenant):
                self.memory.shares.join(pool, member.tenant)
            else:
                self.memory.shares.leave(unpinned, member.tenant)

    def _waiting_of(self, pool: Pool, tenant: TenantId) -> Sequence[RenderRecord]:
        return [
            render
            for render in _waiting(self.memory, pool.stage)
            if not render.group
            and render.job.revision in ("", pool.revision)
            and (render.job.spec.priority, render.job.spec.tenant) == (pool.priority, tenant)
        ]

    def _may_pass(self, render: RenderRecord) -> bool:
        if self.stage is not Stage.AR:
            return True
        limit = max(self.limit_min, 4 * self.memory.live_slots(Stage.DIT))
        priority, tenant = render.job.spec.priority, render.job.spec.tenant
        ahead = self._ahead(lambda r: r.job.spec.priority.rank <= priority.rank)
        own = self._ahead(lambda r: not r.group and (r.job.spec.priority, r.job.spec.tenant) == (priority, tenant))
        return ahead < limit or own < max(1, limit // 4)

    def _ahead(self, counts: Callable[[RenderRecord], bool]) -> int:
        begun = (r for r in _waiting(self.memory, Stage.DIT) if not r.is_unbegun_decode)
        return sum(r.job.revision == self.revision and counts(r) for r in begun)


def _waiting(memory: Memory, stage: Stage) -> Sequence[RenderRecord]:
    found = (r for r in memory.renders() if r.state is stage.waiting and not r.job.is_enhancing)
    return sorted(found, key=lambda r: (r.job.rank, r.render_id))


def _may_begin(memory: Memory, render: RenderRecord) -> bool:
    begins = render.stage is Stage.AR or render.is_unbegun_decode
    return not begins or not memory.is_at_limit(render.job.spec.tenant)


def _end_turns(memory: Memory, stage: Stage, worker: WorkerId) -> None:
    turns = memory.turns[stage]
    for owner, has_started in list(turns.has_started.items()):
        has_run = has_started and not memory.held(owner)
        if has_run or (owner != worker and not memory.is_alive(stage, owner)):
            del turns.has_started[owner]
            turns.ended_ms = memory.now_ms


def _whose_turn(memory: Memory, stage: Stage, worker: WorkerId, *, is_empty: bool, others_wait: bool) -> str:
    has_started = memory.turns[stage].has_started
    waiting = sorted(owner for owner, started in has_started.items() if not started)
    place = worker if worker in has_started else next(iter(waiting), None) if is_empty else None
    if place is None and not _may_begin_turn(memory, stage, worker, is_empty=is_empty, others_wait=others_wait):
        return "other"
    if place is not None:
        del has_started[place]
    has_started[worker] = is_empty
    return "suspect" if is_empty else "nothing"


def _may_begin_turn(memory: Memory, stage: Stage, worker: WorkerId, *, is_empty: bool, others_wait: bool) -> bool:
    turns = memory.turns[stage]
    num_live = memory.num_live(stage) + (not memory.is_alive(stage, worker))
    if len(turns.has_started) >= max(1, num_live // 2):
        return False
    is_patient = num_live < 2 and abs(memory.now_ms - turns.ended_ms) < PATIENCE_MS
    return not is_patient or (is_empty and not others_wait)
