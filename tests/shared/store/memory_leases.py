"""Twin of `shared.store.renders.leases`: claims, heartbeats and writes in memory."""

from collections.abc import Mapping, Sequence

from shared.errors import LeaseLost
from shared.hints.queues import Queue
from shared.ids import Fence, ObjectKey, RenderId, Revision, WorkerId, new_holder_id
from shared.jobs.job import Picture
from shared.jobs.leases import Claim, Handover, Lease, Progress, RenderReport, Vacancy
from shared.jobs.states import RenderState, Stage
from shared.jobs.token_grid import Prior
from shared.schedule.cost import cost_of
from shared.schedule.worker_health import WorkerHealth
from shared.store.renders.leases import Announcement, LeaseRules, Verdict
from tests.shared.store.memory_claims import charge, choose
from tests.shared.store.memory_state import Memory, RenderRecord, WorkerRecord

_WELL = WorkerHealth()
_ANY = Vacancy()


class MemoryLeases:
    """Twin of `LeaseStore`."""

    def __init__(self, memory: Memory, rules: LeaseRules) -> None:
        self._memory = memory
        self._rules = rules

    def claim(self, stage: Stage, revision: Revision, worker: WorkerId, place: Vacancy = _ANY) -> Claim | None:
        """Knows free places for every class alone; for others see `test_claim_places.py`."""
        assert place == _ANY
        memory = self._memory
        memory.expire_due()
        render, is_in_turn = choose(memory, stage, revision, worker, self._rules.prior_ready_limit_min)
        if render is None:
            return None
        if not render.job.revision:
            render.job.revision = revision
            memory.enter(render)
        render.job.is_pinned = True
        charge(memory, render, self._rules.batch_floor, is_in_turn=is_in_turn)
        render.fence, render.holder = Fence(render.fence + 1), new_holder_id()
        render.worker, render.in_step = worker, True
        render.attempts += 1
        if render.started_ms is None:
            render.started_ms = memory.now_ms
            memory.set_deadline(render, render.job.spec.execution_timeout_s)
        handover = memory.kept_handover(render)
        if stage is Stage.DIT:
            memory.give_device_time(worker)
            render.device_ms = render.device_ms if handover else 0
        memory.move(render, stage.running)
        render.lease_ends_ms = memory.now_ms + self._rules.ttl_ms
        memory.workers.setdefault((stage, worker), WorkerRecord(render.lease_ends_ms))
        return _claim(render, stage, handover)

    def beat(
        self,
        worker: Announcement,
        held: Sequence[RenderReport],
        log_lines: Sequence[str] = (),
        signs: WorkerHealth = _WELL,
    ) -> Mapping[RenderId, Verdict]:
        memory, key = self._memory, (worker.queue.value, worker.worker_id)
        memory.feel_pulse(self._rules.ttl_ms)
        known = memory.workers.get(key)
        lines = tuple(log_lines) or (known.log_lines if known else ())
        memory.workers[key] = WorkerRecord(memory.now_ms + self._rules.ttl_ms, worker.slots, worker.revision, lines)
        if worker.queue in (Queue.AR, Queue.DIT):
            memory.last_workers[worker.queue] = (worker.slots, worker.revision)
        if worker.queue is Queue.AR:
            memory.revision = worker.revision
        return {each.lease.render_id: self._verdict(each) for each in held}

    def leave(self, worker: Announcement) -> None:
        self._memory.workers.pop((worker.queue, worker.worker_id), None)

    def finish_prior(self, lease: Lease, prior: Prior, engine: Mapping[str, str] | None = None) -> None:
        self._advance(lease, RenderState.PRIOR_READY, prior=prior, **({"prior_engine": engine} if engine else {}))

    def finish_picture(self, lease: Lease, picture: Picture, *, to_check: bool = False) -> bool:
        assert not to_check, "content checks are tested with the real store: test_checks.py"
        return self._advance(lease, RenderState.SUCCEEDED, picture=picture)

    def fail(self, lease: Lease, error: Mapping[str, object]) -> bool:
        return self._advance(lease, RenderState.FAILED, error=dict(error))

    def hand_back(self, lease: Lease, handover: Handover | None = None) -> None:
        render = self._held_by(lease)
        if render.state is lease.stage.running:
            render.attempts -= 1
            if handover:
                self._memory.end_handover(render)
                render.handover = handover
        self._advance(lease, lease.stage.waiting)

    def keep_handover(self, key: ObjectKey, kept_s: float) -> None:
        self._memory.kept_until_ms[key] = self._memory.now_ms + int(kept_s * 1000)

    def _held_by(self, lease: Lease) -> RenderRecord:
        render = next((r for r in self._memory.renders() if r.render_id == lease.render_id), None)
        if render is None or (render.fence, render.holder) != (lease.fence, lease.holder):
            raise LeaseLost(lease.render_id)
        return render

    def _advance(self, lease: Lease, to: RenderState, **fields: object) -> bool:
        render = self._held_by(lease)
        if render.state is to:
            return False
        if render.state is not lease.stage.running:
            raise LeaseLost(lease.render_id)
        if to is lease.stage.done:
            cost = cost_of(render.job.spec.settings)
            taken_ms = self._memory.now_ms - render.times_ms[lease.stage.running]
            if lease.stage is Stage.DIT and render.worker:
                self._memory.give_device_time(render.worker)
                taken_ms = taken_ms if render.device_ms is None else render.device_ms
            own_cost = cost.ar if lease.stage is Stage.AR else cost.dit
            priority, occupancy = render.job.spec.priority, self._occupancy(render)
            self._memory.paces[lease.stage].add(taken_ms, own_cost, occupancy, self._memory.now_ms, priority)
        for name, value in fields.items():
            setattr(render, name, value)
        return self._memory.move(render, to)

    def _occupancy(self, render: RenderRecord) -> float:
        assert render.worker
        worker = self._memory.workers.get((str(render.stage), render.worker))
        num_held = len(self._memory.held(render.worker))
        return min(1.0, num_held / worker.slots) if worker and worker.slots else 1.0

    def _note(self, render: RenderRecord, progress: Progress) -> None:
        if progress.total and progress.done != (render.progress and render.progress.done):
            render.progress = progress

    def _verdict(self, held: RenderReport) -> Verdict:
        try:
            render = self._held_by(held.lease)
        except LeaseLost:
            return Verdict.LOST
        if render.is_due(self._memory.now_ms):
            self._memory.expire(render)
        if render.state is held.lease.stage.running:
            render.lease_ends_ms, render.in_step = self._memory.now_ms + self._rules.ttl_ms, held.in_step
            self._note(render, held.progress)
            return Verdict.RENEWED
        ended = (RenderState.CANCELLED, RenderState.EXPIRED)
        return Verdict(str(render.state)) if render.state in ended else Verdict.LOST


def _claim(render: RenderRecord, stage: Stage, handover: Handover | None) -> Claim:
    job = render.job
    assert render.holder
    return Claim(
        Lease(render.render_id, stage, render.fence, render.holder),
        job.job_id,
        render.index,
        job.spec.settings.model_copy(update={"prompt": job.prompt}),
        render.seed,
        job.revision,
        render.prior,
        job.spec.priority,
        job.spec.partial_images,
        handover,
        render.prior_engine,
    )
