"""Where somebody saw a worker's process end, nobody waits for its leases."""

import pytest

from shared.hints.queues import Queue
from shared.ids import WorkerId
from shared.jobs.states import RenderState, Stage
from shared.store.renders.leases import Announcement
from tests.shared.store.builders import REVISION, RULES, submitted
from tests.shared.store.crashes import Worker
from tests.shared.store.world import World

STRIKES = 5


def drawing(world: World, name: str) -> Worker:
    submitted(world.jobs)
    worker = Worker(world, name)
    assert worker.take(1)
    worker.beat(done=3)
    return worker


def take_back(world: World, name: str) -> tuple[int, int]:
    return world.upkeep.take_back(WorkerId(name), STRIKES)


@pytest.mark.parametrize("stage", list(Stage))
def test_what_a_dead_worker_held_waits_again_at_once(world: World, stage: Stage) -> None:
    dead = drawing(world, "dead")
    if stage is Stage.DIT:
        dead.finish()
        dead = Worker(world, "dead-too", Stage.DIT)
        dead.take()
    assert take_back(world, dead.name) == (1, 0)
    claims = Worker(world, "next", stage).take()
    assert [claim.render_id for claim in claims] == dead.held_ids


def test_also_after_the_store_stood_still(world: World) -> None:
    """A rescue must wait there: for all it knows, the leases ended because nobody could renew."""
    drawing(world, "dead")
    world.clock.advance(2 * RULES.ttl_s)
    assert world.rescue() == (0, 0)
    assert take_back(world, "dead") == (1, 0)


def test_it_is_a_crash_like_any_other(world: World) -> None:
    """A render that kills its worker each time is found, however its worker's end was learnt."""
    job = submitted(world.jobs)
    for life in range(1 + STRIKES):
        worker = Worker(world, f"w{life}")
        worker.take()
        worker.beat(done=3)
        take_back(world, worker.name)
    render = world.job(job.job_id).renders[0]
    assert render.state is RenderState.FAILED
    assert render.error
    assert render.error["code"] == "poison"


def test_one_that_left_in_peace_is_not_to_blame(world: World) -> None:
    """It drained, and could not hand the render back."""
    job = submitted(world.jobs)
    for life in range(2 * STRIKES):
        worker = Worker(world, f"w{life}")
        worker.take()
        world.leases.leave(Announcement(WorkerId(worker.name), Queue.AR, 8, REVISION))
        assert take_back(world, worker.name) == (1, 0)
    assert world.job(job.job_id).renders[0].state is RenderState.QUEUED


def test_nobody_elses_leases_end(world: World) -> None:
    alive = drawing(world, "alive")
    drawing(world, "dead")
    take_back(world, "dead")
    assert set(alive.beat(done=4).values()) == {"renewed"}


def test_it_may_be_said_again_and_of_anybody(world: World) -> None:
    drawing(world, "dead")
    take_back(world, "dead")
    assert take_back(world, "dead") == (0, 0)
    assert take_back(world, "unknown") == (0, 0)


def test_a_dead_workers_slots_count_no_more(world: World) -> None:
    """Else hints would be sent for slots that nobody has."""
    drawing(world, "dead")
    assert world.upkeep.backlog(Queue.AR).slots > 0
    take_back(world, "dead")
    assert world.upkeep.backlog(Queue.AR).slots == 0
