"""The twin's rescue: who is to blame for a dead worker."""

from shared.ids import WorkerId
from shared.jobs.dead_letters import Crash
from shared.jobs.leases import Progress
from shared.jobs.states import RenderState, Stage
from tests.shared.store.memory_state import Memory, RenderRecord, moment


def rescue(memory: Memory, most_strikes: int) -> tuple[int, int]:
    """Takes renders back whose lease has ended. Returns how many were requeued, and how many failed as poison."""
    if memory.pulse and not memory.feel_pulse(memory.pulse.ttl_ms):
        return 0, 0
    rescued = failed = 0
    over = sorted((r.lease_ends_ms, r.render_id, r) for r in memory.renders() if r.is_running)
    for ends_ms, _, render in over:
        if ends_ms > memory.now_ms or not render.is_running:
            continue
        stage, worker = render.stage, render.worker
        assert stage is not None
        assert worker is not None
        if (stage, worker) not in memory.workers or memory.is_alive(stage, worker):
            memory.move(render, stage.waiting)
            rescued += 1
        else:
            sent_back, poisonous = _blame(memory, stage, worker, most_strikes)
            rescued, failed = rescued + sent_back, failed + poisonous
    return rescued, failed


def take_back(memory: Memory, worker: WorkerId, most_strikes: int) -> tuple[int, int]:
    """What a worker held whose process was seen to end."""
    for (_, name), record in memory.workers.items():
        if name == worker:
            record.ends_ms = min(record.ends_ms, memory.now_ms)
    held = memory.held(worker)
    if not held:
        return 0, 0
    stage = held[0].stage
    assert stage is not None
    if (stage, worker) in memory.workers:
        return _blame(memory, stage, worker, most_strikes)
    for render in held:
        memory.move(render, stage.waiting)
    return len(held), 0


def _blame(memory: Memory, stage: Stage, worker: WorkerId, most_strikes: int) -> tuple[int, int]:
    members = memory.held(worker)
    suspects = [render for render in members if render.in_step]
    for render in suspects:
        render.crashes.append(_evidence(memory, render, stage, worker, was_alone=len(suspects) == 1))
    stuck = [render for render in suspects if _is_stuck(render)]
    half = -(-len(stuck) // 2)
    for part in (stuck[:half], stuck[half:]):
        for render in part:
            render.group = f"{part[0].render_id}#{part[0].fence}"
    if stuck:
        memory.turns[stage].ended_ms = memory.now_ms
    if len(suspects) == len(stuck) == 1:
        stuck[0].strikes += 1
    poison = [render for render in stuck if len(suspects) == 1 and render.strikes >= most_strikes]
    for render in members:
        if render in poison:
            _condemn(memory, render, stage)
        else:
            memory.move(render, stage.waiting)
    return len(members) - len(poison), len(poison)


def _evidence(memory: Memory, render: RenderRecord, stage: Stage, worker: WorkerId, *, was_alone: bool) -> Crash:
    at = moment(memory.now_ms)
    assert at is not None
    log_lines = memory.workers[stage, worker].log_lines
    return Crash(worker, stage, at, render.progress or Progress(0, 0), was_alone, log_lines)


def _is_stuck(render: RenderRecord) -> bool:
    done = render.progress.done if render.progress else 0
    if render.best is not None and done <= render.best:
        return True
    render.best, render.group = done, None
    return False


def _condemn(memory: Memory, render: RenderRecord, stage: Stage) -> None:
    render.error = {"code": "poison", "stage": str(stage)}
    render.dead_stage, render.dead_ms = stage, memory.now_ms
    memory.move(render, RenderState.FAILED)
