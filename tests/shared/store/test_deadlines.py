"""Start timeout, execution timeout and deadline: what expires, when, and what is told of it."""

from datetime import UTC, datetime, timedelta

import pytest

from shared.hints.queues import Queue
from shared.ids import DEFAULT_TENANT
from shared.jobs.job import EndedIn, Job
from shared.jobs.states import RenderState, Stage
from shared.store.renders.leases import Verdict
from tests.shared.store.builders import submitted
from tests.shared.store.clocks import START_MS
from tests.shared.store.crashes import Worker
from tests.shared.store.world import World


def in_seconds(seconds: float) -> datetime:
    return datetime.fromtimestamp(START_MS / 1000, UTC) + timedelta(seconds=seconds)


def told(world: World, job: Job) -> tuple[RenderState, object, object, EndedIn | None]:
    render = world.job(job.job_id).renders[0]
    error = render.error or {}
    return render.state, error.get("code"), error.get("stage"), render.ended_in


@pytest.mark.parametrize(
    ("limit", "code"), [({"start_timeout_s": 5}, "start_timeout"), ({"deadline": in_seconds(5)}, "deadline")]
)
def test_a_render_that_nobody_begins_expires_before_its_start(
    world: World, limit: dict[str, object], code: str
) -> None:
    job = submitted(world.jobs, **limit)
    world.clock.advance(4.999)
    assert world.upkeep.expire() == 0
    world.clock.advance(0.001)
    assert world.upkeep.expire() == 1
    assert told(world, job) == (RenderState.EXPIRED, code, None, EndedIn.BEFORE_START)
    assert world.job(job.job_id).status == "expired"


def test_what_is_due_is_never_claimed_even_while_upkeep_is_away(world: World) -> None:
    late, fresh = submitted(world.jobs, start_timeout_s=5), submitted(world.jobs)
    world.clock.advance(6)
    assert [claim.job_id for claim in Worker(world, "w").take()] == [fresh.job_id]
    assert told(world, late)[0] is RenderState.EXPIRED


def test_a_start_timeout_is_over_once_the_render_was_begun(world: World) -> None:
    job = submitted(world.jobs, start_timeout_s=5)
    worker = Worker(world, "w")
    (claim,) = worker.take()
    world.leases.hand_back(claim.lease)
    world.clock.advance(100)
    assert world.upkeep.expire() == 0
    assert told(world, job)[0] is RenderState.QUEUED


@pytest.mark.parametrize("stage", list(Stage))
@pytest.mark.parametrize(
    ("limit", "code"), [({"execution_timeout_s": 5}, "execution_timeout"), ({"deadline": in_seconds(5)}, "deadline")]
)
def test_a_running_render_learns_at_its_next_heartbeat_that_its_time_is_over(
    world: World, stage: Stage, limit: dict[str, object], code: str
) -> None:
    job = submitted(world.jobs, **limit)
    worker = Worker(world, "ar")
    worker.take()
    if stage is Stage.DIT:
        worker.finish()
        worker = Worker(world, "dit", Stage.DIT)
        worker.take()
    world.clock.advance(5)
    (verdict,) = worker.beat().values()
    assert verdict is Verdict.EXPIRED
    assert told(world, job) == (RenderState.EXPIRED, code, str(stage), EndedIn(stage))


def test_the_execution_time_runs_on_through_retries(world: World) -> None:
    job = submitted(world.jobs, execution_timeout_s=40)
    for life in range(2):
        worker = Worker(world, f"w{life}")
        worker.take()
        worker.die()
    assert world.upkeep.expire() == 1
    assert told(world, job)[1] == "execution_timeout"


def test_a_finished_render_never_expires(world: World) -> None:
    job = submitted(world.jobs, deadline=in_seconds(5))
    for stage in Stage:
        worker = Worker(world, stage, stage)
        worker.take()
        worker.finish()
    world.clock.advance(100)
    assert world.upkeep.expire() == 0
    assert world.job(job.job_id).status == "succeeded"


@pytest.mark.parametrize(
    ("begun", "place"),
    [(0, EndedIn.BEFORE_START), (1, EndedIn.AR), (2, EndedIn.DIT), (3, EndedIn.DIT)],
    ids=["queued", "AR runs", "waits for the DiT", "DiT runs"],
)
def test_a_cancelled_picture_tells_where_it_was(world: World, begun: int, place: EndedIn) -> None:
    job = submitted(world.jobs)
    ar, dit = Worker(world, "ar"), Worker(world, "dit", Stage.DIT)
    for step in (ar.take, ar.finish, dit.take)[:begun]:
        step()
    world.jobs.cancel(job.job_id, DEFAULT_TENANT)
    assert told(world, job) == (RenderState.CANCELLED, None, None, place)
    assert world.upkeep.backlog(Queue.DIT).waiting == 0
