"""The twin's choice of what to lease: by rank, under the AR limit, and suspects only in their turn."""

from collections.abc import Sequence

from shared.ids import Revision, WorkerId
from shared.states import Stage
from tests.store.memory_state import Memory, RenderRecord

PATIENCE_MS = 1_000


def choose(memory: Memory, stage: Stage, revision: Revision, worker: WorkerId, limit_min: int) -> RenderRecord | None:
    """The render that this worker gets, or None."""
    held = memory.held(worker)
    suspects = [r for r in _waiting(memory, stage) if r.group and r.job.revision == revision and _may_begin(memory, r)]
    if held and held[0].group:
        return next((r for r in suspects if r.group == held[0].group), None)
    _end_turns(memory, stage, worker)
    taken = {render.group for owner in memory.turns[stage].has_started for render in memory.held(owner)}
    suspect = next((r for r in suspects if r.group not in taken), None)
    best = _best(memory, stage, revision, limit_min)
    if suspect is None:
        return best
    whose = _whose_turn(memory, stage, worker, is_empty=not held, others_wait=best is not None)
    return {"suspect": suspect, "other": best}.get(whose)


def _waiting(memory: Memory, stage: Stage) -> Sequence[RenderRecord]:
    found = (r for r in memory.renders() if r.state is stage.waiting and not r.job.is_enhancing)
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
    begins = render.stage is Stage.AR or render.is_unbegun_decode
    return not begins or not memory.is_at_limit(render.job.spec.tenant)


def _num_ahead(memory: Memory, render: RenderRecord, revision: Revision) -> int:
    own = render.job.spec.priority.rank
    return sum(
        r.job.revision == revision and r.job.spec.priority.rank <= own and not r.is_unbegun_decode
        for r in _waiting(memory, Stage.DIT)
    )


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
