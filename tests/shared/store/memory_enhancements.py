"""Twin of `shared.store.enhancements.enhancements`: the stage before AR, in memory."""

from collections.abc import Mapping

from shared.hints.queues import Queue
from shared.ids import new_holder_id
from shared.jobs.enhancement import Enhancement, EnhancementStatus
from shared.jobs.spec import Priority
from shared.store.enhancements.enhancements import EnhancementClaim
from tests.shared.store.memory_state import EnhancementRecord, JobRecord, Memory


class MemoryEnhancements:
    """Twin of `EnhancementStore`."""

    def __init__(self, memory: Memory, lease_ttl_s: float) -> None:
        self._memory = memory
        self._lease_ttl_ms = int(lease_ttl_s * 1000)

    def claim(self) -> EnhancementClaim | None:
        heads = [due[0] for priority in Priority if (due := due_enhancements(self._memory, priority))]
        job = min(heads, key=lambda job: (job.rank, job.job_id), default=None)
        if job is None:
            return None
        record = _record(job)
        record.due_ms, record.holder = self._memory.now_ms + self._lease_ttl_ms, new_holder_id()
        record.attempts += 1
        if record.attempts == 1:
            job.tell("job.enhancing")
        return EnhancementClaim(job.job_id, job.spec, record.attempts, record.holder)

    def succeed(self, claim: EnhancementClaim, revised_prompt: str) -> bool:
        return self._decide(claim, Enhancement(EnhancementStatus.SUCCEEDED, revised_prompt))

    def fail(self, claim: EnhancementClaim, error: Mapping[str, str]) -> bool:
        return self._decide(claim, Enhancement(EnhancementStatus.FAILED, error=error))

    def retry_later(self, claim: EnhancementClaim, delay_s: float) -> bool:
        job = self._held(claim)
        if job:
            _record(job).due_ms = self._memory.now_ms + int(delay_s * 1000)
        return job is not None

    def _decide(self, claim: EnhancementClaim, decided: Enhancement) -> bool:
        job = self._held(claim)
        if job:
            _end(self._memory, job, decided)
        return job is not None

    def _held(self, claim: EnhancementClaim) -> JobRecord | None:
        job = self._memory.jobs.get(claim.job_id)
        return job if job and job.is_enhancing and _record(job).holder == claim.holder else None


def due_enhancements(memory: Memory, priority: Priority, patience_s: float = 0) -> list[JobRecord]:
    """Jobs of a class that are due for so long or longer, the longest first."""
    latest_ms = memory.now_ms - int(patience_s * 1000)
    found = [
        (record.due_ms, job.job_id, job)
        for job in memory.jobs.values()
        if (record := job.enhancement) and record.due_ms is not None and record.due_ms <= latest_ms
        if job.spec.priority is priority
    ]
    return [job for *_, job in sorted(found, key=lambda each: each[:2])]


def abandon_enhancements(memory: Memory, patience_s: float) -> int:
    """Twin of `UpkeepStore.abandon_enhancements`."""
    if memory.live_slots(Queue.ENHANCE):
        return 0
    overdue = [job for priority in Priority for job in due_enhancements(memory, priority, patience_s)]
    for job in overdue:
        _end(memory, job, Enhancement(EnhancementStatus.FAILED, error={"code": "no_worker"}))
    return len(overdue)


def _end(memory: Memory, job: JobRecord, decided: Enhancement) -> None:
    job.decide_enhancement(decided)
    for render in job.renders:
        if not render.state.is_final:
            memory.enter(render)


def _record(job: JobRecord) -> EnhancementRecord:
    assert job.enhancement
    return job.enhancement
