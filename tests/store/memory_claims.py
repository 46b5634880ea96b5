"""The twin's choice of what to lease: by rank, under the AR limit, and suspects only in their turn."""

from collections.abc import Sequence

from shared.ids import Revision, WorkerId
from shared.states import Stage
from tests.store.memory_state import Memory, RenderRecord

PATIENCE_MS = 5_000


def choose(memory: Memory, stage: Stage, revision: Revision, worker: WorkerId, limit_min: int) -> RenderRecord | None:
    """The render that this worker gets, or None."""
    held = memory.held(worker)
    suspects = [r for r in _waiting(memory, stage) if r.group and r.job.revision == revision and _may_begin(memory, r)]
    if held and held[0].group:
        return next((r for r in suspects if r.group == held[0].group), None)
    best = _best(memory, stage, revision, limit_min)
    if not suspects:
        return best
    whose = _whose_turn(memory, stage, worker, is_empty=not held, others_wait=best is not None)
    return {"suspect": suspects[0], "other": best}.get(whose)


def _waiting(memory: Memory, stage: Stage) -> Sequence[RenderRecord]:
    found = (r for r in memory.renders() if r.state is stage.waiting)
    return sorted(found, key=lambda r: (r.job.rank, r.render_id))


def _best(memory: Memory, stage: Stage, revision: Revision, limit_min: int) -> RenderRecord | None:
    limit = max(limit_min, 4 * memory.live_slots(Stage.DIT))
    return next(
        (
            render
            for render in _waiting(memory, stage)
            if not render.group
            and render.job.revision in ("", revision)
            and _may_begin(memory, render)
            and (stage is not Stage.AR or _num_ahead(memory, render, revision) < limit)
        ),
        None,
    )


def _may_begin(memory: Memory, render: RenderRecord) -> bool:
    return render.stage is not Stage.AR or not memory.is_at_limit(render.job.spec.tenant)


def _num_ahead(memory: Memory, render: RenderRecord, revision: Revision) -> int:
    own = render.job.spec.priority.rank
    return sum(
        r.group is not None or (r.job.revision == revision and r.job.spec.priority.rank <= own)
        for r in _waiting(memory, Stage.DIT)
    )


def _whose_turn(memory: Memory, stage: Stage, worker: WorkerId, *, is_empty: bool, others_wait: bool) -> str:
    turn = memory.turns[stage]
    if turn.worker is not None:
        has_run = turn.has_started and not memory.held(turn.worker)
        if has_run or (turn.worker != worker and not memory.is_alive(stage, turn.worker)):
            turn.worker, turn.has_started, turn.ended_ms = None, False, memory.now_ms
    if turn.worker not in (None, worker):
        return "other"
    is_patient = memory.now_ms - turn.ended_ms < PATIENCE_MS
    if turn.worker is None and is_patient and (others_wait or not is_empty):
        return "other"
    turn.worker, turn.has_started = worker, is_empty
    return "suspect" if is_empty else "nothing"
