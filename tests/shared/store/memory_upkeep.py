"""Twins of upkeep, of the dead letters and of hand-overs, in memory."""

from collections.abc import Sequence

from shared.errors import DeadLetterNotFound
from shared.hints.queues import Queue
from shared.ids import ObjectKey, RenderId, TenantId, WorkerId
from shared.jobs.dead_letters import DeadLetter
from shared.jobs.spec import Priority
from shared.jobs.states import JobStatus, RenderState
from shared.store.queues.upkeep import Backlog
from tests.shared.store import memory_blame
from tests.shared.store.memory_deliveries import num_due_deliveries
from tests.shared.store.memory_enhancements import abandon_enhancements, due_enhancements
from tests.shared.store.memory_state import JobRecord, Memory, RenderRecord, moment


class MemoryUpkeep:
    """Twin of `UpkeepStore`; it knows no Celery queue, so no hints."""

    def __init__(self, memory: Memory) -> None:
        self._memory = memory

    def backlog(self, queue: Queue) -> Backlog:
        if queue is Queue.ENHANCE:
            num_due = sum(len(due_enhancements(self._memory, priority)) for priority in Priority)
            return Backlog(num_due, self._memory.live_slots(queue), hints=0)
        state = {"ar": RenderState.QUEUED, "dit": RenderState.PRIOR_READY}.get(queue)
        waiting = (
            num_due_deliveries(self._memory)
            if state is None
            else sum(r.state is state and not r.job.is_enhancing for r in self._memory.renders())
        )
        return Backlog(waiting, self._memory.live_slots(queue), hints=0)

    def rescue(self, poison_strikes: int) -> tuple[int, int]:
        return memory_blame.rescue(self._memory, poison_strikes)

    def take_back(self, worker: WorkerId, poison_strikes: int) -> tuple[int, int]:
        return memory_blame.take_back(self._memory, worker, poison_strikes)

    def expire(self) -> int:
        return self._memory.expire_due()

    def abandon_enhancements(self, patience_s: float) -> int:
        return abandon_enhancements(self._memory, patience_s)

    def purge(self, retention_s: int) -> bool:
        """All at once: there is never more."""
        since_ms = self._memory.now_ms - retention_s * 1000
        over = [j for j in self._memory.jobs.values() if j.finished_ms is not None and j.finished_ms <= since_ms]
        for job in over:
            if self._is_under_way(job):
                continue
            self._memory.forget(job)
        return False

    def _is_under_way(self, job: JobRecord) -> bool:
        memory = self._memory
        return job.job_id in memory.manifests or any(m.job is job and m.delivery for m in memory.messages.values())


class MemoryDeadLetters:
    """Twin of `DeadLetterStore`."""

    def __init__(self, memory: Memory) -> None:
        self._memory = memory

    def letters(self, tenant: TenantId, *, limit: int, after: RenderId | None) -> list[DeadLetter]:
        dead = [r for r in self._memory.renders() if r.dead_stage and r.job.spec.tenant == tenant]
        dead = [render for render in dead if after is None or render.render_id < after]
        return [_letter(render) for render in sorted(dead, key=lambda r: r.render_id, reverse=True)[:limit]]

    def letter(self, render_id: RenderId, tenant: TenantId) -> DeadLetter:
        return _letter(self._record(render_id, tenant))

    def requeue(self, render_id: RenderId, tenant: TenantId) -> None:
        render = self._record(render_id, tenant)
        if render.job.status is not JobStatus.RUNNING:
            self._memory.reopen(render.job, "job.requeued", index=render.index)
        self._memory.revive(render)

    def purge(self, render_id: RenderId, tenant: TenantId) -> None:
        render = self._record(render_id, tenant)
        render.dead_stage = None
        render.absolve()

    def _record(self, render_id: RenderId, tenant: TenantId) -> RenderRecord:
        for render in self._memory.renders():
            if render.render_id == render_id and render.dead_stage and render.job.spec.tenant == tenant:
                return render
        raise DeadLetterNotFound(render_id)


def _letter(render: RenderRecord) -> DeadLetter:
    died_at = moment(render.dead_ms)
    assert render.dead_stage
    assert died_at
    ids = (render.render_id, render.job.job_id, render.index, render.dead_stage)
    return DeadLetter(*ids, died_at, render.strikes, tuple(render.crashes))


class MemoryHandovers:
    """Twin of `HandoverStore`."""

    def __init__(self, memory: Memory) -> None:
        self._memory = memory

    def ended(self, most: int) -> Sequence[ObjectKey]:
        kept = sorted((until_ms, key) for key, until_ms in self._memory.kept_until_ms.items())
        return [key for until_ms, key in kept if until_ms <= self._memory.now_ms][:most]

    def forget(self, key: ObjectKey) -> None:
        self._memory.kept_until_ms.pop(key, None)
