"""After the store stood still nobody is blamed who could not renew; when it serves, nothing delays a rescue."""

import pytest

from shared.hints.queues import Queue
from shared.ids import Revision, WorkerId
from shared.jobs.states import RenderState
from shared.store.renders.leases import Announcement
from tests.shared.store.builders import RULES, submitted
from tests.shared.store.crashes import Worker
from tests.shared.store.world import World

TTL_S = RULES.ttl_s
TICK_S = TTL_S / 10


def a_worker_that_draws(world: World, name: str = "w") -> Worker:
    submitted(world.jobs)
    worker = Worker(world, name)
    worker.take(1)
    worker.beat(done=1)
    return worker


def tick(world: World, seconds: float) -> int:
    """Upkeep alone, for so long; returns how many renders it took back."""
    rescued = 0
    for _ in range(round(seconds / TICK_S)):
        world.clock.advance(TICK_S)
        rescued += sum(world.rescue())
    return rescued


@pytest.mark.parametrize("jump_s", [1.5 * TTL_S, 3600.0, -3600.0])
def test_after_the_store_stood_still_or_its_clock_jumped_no_live_worker_loses_its_lease(
    world: World, jump_s: float
) -> None:
    worker = a_worker_that_draws(world)
    world.clock.advance(jump_s)
    assert world.rescue() == (0, 0)
    assert set(worker.beat(done=2).values()) == {"renewed"}
    assert tick(world, TTL_S / 2) == 0
    worker.beat(done=3)
    worker.finish()


@pytest.mark.parametrize("jump_s", [1.5 * TTL_S, 3600.0, -3600.0])
def test_the_dead_are_found_two_leases_after_the_store_stood_still_or_its_clock_jumped(
    world: World, jump_s: float
) -> None:
    a_worker_that_draws(world)
    world.clock.advance(jump_s)
    assert tick(world, 2 * TTL_S) == 1


def test_a_beat_that_comes_before_the_first_rescue_does_not_hide_that_the_store_stood_still(world: World) -> None:
    quick, slow = a_worker_that_draws(world, "quick"), a_worker_that_draws(world, "slow")
    world.clock.advance(1.5 * TTL_S)
    quick.beat(done=2)
    assert world.rescue() == (0, 0)
    assert set(slow.beat(done=2).values()) == {"renewed"}


def test_upkeep_that_was_away_does_not_wait_where_others_beat(world: World) -> None:
    dead = a_worker_that_draws(world)
    for _ in range(10):
        world.clock.advance(TTL_S / 4)
        world.leases.beat(Announcement(WorkerId("other"), Queue.AR, 1, Revision("")), [])
    assert world.rescue() == (1, 0)
    assert world.job(dead.claims[0].job_id).renders[0].state is RenderState.QUEUED
