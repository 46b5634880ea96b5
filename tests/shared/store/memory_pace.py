"""Twin of `shared.store.queues.throughput`: looks at every render, by brute force."""

import math
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence

from shared.ids import Revision, TenantId, WorkerId
from shared.jobs.job import Job
from shared.jobs.states import Stage
from shared.schedule.cost import cost_of
from shared.schedule.sizes import Sizes
from shared.schedule.throughput import (
    NO_OUTLOOK,
    Ahead,
    HeldRender,
    OpenWork,
    Outlook,
    QueuePlace,
    StageLoad,
    Strength,
    outlook,
)
from tests.shared.store.memory_shares import Member, Pool
from tests.shared.store.memory_state import Memory, RenderRecord


class MemoryPace:
    """In-memory twin of `ThroughputStore`. It knows the exact cost ahead of a job; the store estimates it per lane."""

    def __init__(self, memory: Memory) -> None:
        self._memory = memory

    def place(self, job: Job) -> QueuePlace | None:
        return self.outlook(job).queue

    def outlook(self, job: Job) -> Outlook:
        record = self._memory.jobs[job.job_id]
        states = [state for stage in Stage for state in (stage.waiting, stage.running)]
        found = next((state for state in states if any(r.state is state for r in record.renders)), None)
        if found is None:
            return NO_OUTLOOK
        stage = next(stage for stage in Stage if found in (stage.waiting, stage.running))
        own = [render for render in record.renders if render.state is found]
        is_waiting = found is stage.waiting
        in_ar = self._before(Stage.AR, own[-1]) if found is Stage.AR.waiting else []
        in_dit = self._before(Stage.DIT, own[-1])
        ahead = Ahead(
            stage=stage,
            position=len(self._before(stage, own[0])) if is_waiting else 0,
            is_waiting=is_waiting,
            ar=sum(_cost(render, Stage.AR) for render in in_ar),
            num_ar=len(in_ar),
            dit=sum(_cost(render, Stage.DIT) for render in in_dit),
            num_dit=len(in_dit),
            dit_later=sum(_cost(render, Stage.DIT) for render in in_ar),
            held={each: self._held(each, own[-1]) for each in Stage},
        )
        priority = record.spec.priority
        strengths = {each: self._strength(each, record.revision).for_class(priority) for each in Stage}
        return outlook(ahead, cost_of(job.spec.settings), strengths)

    def loads(self) -> Mapping[Stage, StageLoad]:
        return {stage: self._load(stage) for stage in Stage}

    def _before(self, stage: Stage, render: RenderRecord) -> Sequence[RenderRecord]:
        """What would be claimed before it if nothing more came: the claims that follow, one after the other."""
        priority, tenant = render.job.spec.priority, render.job.spec.tenant
        reachable = self._reachable(stage, render.job.revision)
        found = [other for other in reachable if other.job.spec.priority.rank < priority.rank]
        queues: dict[TenantId, list[RenderRecord]] = {tenant: []}
        for other in reachable:
            if other.job.spec.priority is priority and other.render_id != render.render_id:
                queues.setdefault(other.job.spec.tenant, []).append(other)
        queues[tenant] = [other for other in queues[tenant] if _place(other) < _place(render)]
        members = self._members(Pool(stage, priority, render.job.revision), queues)
        while (next_tenant := min(members.values()).tenant) != tenant or queues[tenant]:
            taken = queues[next_tenant].pop(0)
            found.append(taken)
            toll = _cost(taken, stage) / self._memory.shares.weight_of(next_tenant)
            members[next_tenant] = members[next_tenant]._replace(tag=members[next_tenant].tag + toll)
            if not queues[next_tenant] and next_tenant != tenant:
                del members[next_tenant]
        return found

    def _members(self, pool: Pool, tenants: Iterable[TenantId]) -> dict[TenantId, Member]:
        shares = self._memory.shares
        clock, known = shares.clocks.get(pool, 0), {member.tenant: member for member in shares.in_order(pool)}
        outside = Member(clock, self._memory.now_ms + 1, TenantId(""))
        members = {tenant: known.get(tenant, outside._replace(tenant=tenant)) for tenant in tenants}
        return {tenant: member._replace(tag=max(clock, member.tag)) for tenant, member in members.items()}

    def _reachable(self, stage: Stage, revision: Revision) -> Sequence[RenderRecord]:
        """In the lanes of the same workers, by age. Suspects and those who enhance are in none."""
        found = [
            render
            for render in self._waiting(stage)
            if not render.group and ("" in (revision, render.job.revision) or revision == render.job.revision)
        ]
        return sorted(found, key=_place)

    def _waiting(self, stage: Stage) -> Sequence[RenderRecord]:
        return [r for r in self._memory.renders() if r.state is stage.waiting and not r.job.is_enhancing]

    def _held(self, stage: Stage, own: RenderRecord) -> Sequence[HeldRender]:
        memory, found = self._memory, []
        live = [
            (record.ends_ms, worker)
            for (of, worker), record in memory.workers.items()
            if of == stage and record.ends_ms > memory.now_ms and own.job.revision in ("", record.revision)
        ]
        for server, (_, worker) in enumerate(sorted(live)):
            held = [render for render in memory.held(worker) if render.state is stage.running]
            held.sort(key=lambda r: (r.job.spec.priority.rank, r.times_ms[stage.running], r.render_id))
            for index, render in enumerate(held):
                if render.job.spec.priority.rank <= own.job.spec.priority.rank:
                    later = _cost(render, Stage.DIT) if stage is Stage.AR else 0
                    used_s = self._used_ms(render, stage, worker, is_first=not index) / 1000
                    is_own = render.job is own.job
                    found.append(HeldRender(server, _cost(render, stage), used_s, later, is_own))
        return found

    def _used_ms(self, render: RenderRecord, stage: Stage, worker: WorkerId, *, is_first: bool) -> int:
        now_ms = self._memory.now_ms
        if stage is Stage.AR:
            return now_ms - render.times_ms[stage.running]
        going_on = now_ms - self._memory.device_ms.get(worker, now_ms) if is_first else 0
        return (render.device_ms or 0) + going_on

    def _strength(self, stage: Stage, revision: Revision) -> Strength:
        memory = self._memory
        live = [
            (worker, record)
            for (of, worker), record in memory.workers.items()
            if of == stage and record.ends_ms > memory.now_ms and revision in ("", record.revision)
        ]
        sums, full = memory.paces[stage].plain, memory.paces[stage].full
        return Strength(
            stage=stage,
            workers=len(live),
            slots=sum(record.slots for _, record in live),
            running=sum(len(memory.held(worker)) for worker, _ in live),
            seconds_per_cost=sums.ms / 1000 / sums.cost if sums.cost else None,
            full_seconds_per_cost=full.ms / 1000 / full.cost if full.cost else None,
            render_s=sums.ms / 1000 / sums.num if sums.num else None,
            recent_per_s=memory.paces[stage].recent.per_s(memory.now_ms),
        )

    def _load(self, stage: Stage) -> StageLoad:
        memory, waiting = self._memory, self._waiting(stage)
        served = {r.revision for (of, _), r in memory.workers.items() if of == stage and r.ends_ms > memory.now_ms}
        unserved = Counter(
            str(r.job.revision)
            for r in waiting
            if not r.group and r.job.revision not in served and not (r.job.revision == "" and served - {None})
        )
        return StageLoad(
            strength=self._strength(stage, Revision("")),
            waiting=len(waiting),
            waiting_cost=sum(_cost(render, stage) for render in waiting),
            coming_cost=sum(_cost(r, stage) for r in self._waiting(Stage.AR)) if stage is Stage.DIT else 0,
            unserved=dict(unserved),
            open=self._open_work(stage, waiting),
            orphans=self._num_orphans(stage),
            last_slots=memory.last_workers.get(stage, (0, ""))[0],
            ahead=self._ahead() if stage is Stage.AR else 0,
            is_stalled=False,
            sizes=Sizes() if self._live(stage) else Sizes(frozenset()),  # no worker of the tests announces sizes
        )

    def _live(self, stage: Stage) -> Collection[Revision]:
        """Returns the revisions of the live workers that have announced themselves."""
        memory = self._memory
        live = [r.revision for (of, _), r in memory.workers.items() if of == stage and r.ends_ms > memory.now_ms]
        return {revision for revision in live if revision is not None}

    def _served(self, stage: Stage) -> Collection[str] | None:
        memory = self._memory
        if served := self._live(stage):
            return served
        return {memory.last_workers[stage][1]} if stage in memory.last_workers else None

    def _open_work(self, stage: Stage, waiting: Sequence[RenderRecord]) -> OpenWork:
        """Lane by lane as the real one, since what a limit lets through is taken in proportion to its lane. Suspects
        come last, one by one.
        """
        served = self._served(stage)
        lanes: dict[str, list[RenderRecord]] = defaultdict(list)
        for render in sorted(waiting, key=_place):
            if served is None or render.job.revision in served or (not render.job.revision and not render.group):
                lanes[render.render_id if render.group else _lane(render)].append(render)
        left: dict[TenantId, int] = {}
        found = OpenWork(0, 0, 0)
        for lane in sorted(lanes.values(), key=lambda lane: "~" if lane[0].group else _lane(lane[0])):
            tenant, num = lane[0].job.spec.tenant, len(lane)
            if stage is Stage.AR or (lane[0].is_unbegun_decode and not lane[0].group):
                num = min(num, left.setdefault(tenant, self._allowance(tenant, len(waiting))))
                left[tenant] -= num
            found = _sum(found, stage, lane, num)
        return found

    def _allowance(self, tenant: TenantId, most: int) -> int:
        limit = self._memory.limits_of(tenant).concurrent_renders
        return most if limit is None else max(0, limit - self._memory.load(tenant).running)

    def _num_orphans(self, stage: Stage) -> int:
        memory = self._memory
        dead = [worker for (of, worker), r in memory.workers.items() if of == stage and r.ends_ms <= memory.now_ms]
        return sum(len(memory.held(worker)) for worker in dead)

    def _ahead(self) -> int:
        served = self._served(Stage.AR)
        begun = [r for r in self._waiting(Stage.DIT) if not r.is_unbegun_decode]
        return sum(served is None or r.job.revision in served for r in begun)


def _lane(render: RenderRecord) -> str:
    again = "|again" if render.is_unbegun_decode else ""
    return f"{render.job.spec.priority}|{render.job.spec.tenant}|{render.job.revision}{again}"


def _sum(found: OpenWork, stage: Stage, lane: Sequence[RenderRecord], num: int) -> OpenWork:
    def part(of: Stage) -> int:
        return math.floor(num / len(lane) * sum(_cost(render, of) for render in lane) + 0.5)

    later_cost = part(Stage.DIT) if stage is Stage.AR else 0
    return OpenWork(found.renders + num, found.cost + part(stage), found.later_cost + later_cost)


def _place(render: RenderRecord) -> tuple[int, str]:
    return render.job.rank, render.render_id


def _cost(render: RenderRecord, stage: Stage) -> int:
    cost = cost_of(render.job.spec.settings)
    return cost.ar if stage is Stage.AR else cost.dit
