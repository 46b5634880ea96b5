"""Where somebody saw a worker's process end, nobody waits for its leases."""

from shared.ids import WorkerId
from shared.states import RenderState
from tests.store.builders import submitted
from tests.store.crashes import Worker
from tests.store.world import World


def drawing(world: World, name: str) -> Worker:
    submitted(world.jobs)
    worker = Worker(world, name)
    assert worker.take(1)
    worker.beat(done=3)
    return worker


def test_what_a_dead_worker_held_is_taken_back_by_the_next_rescue(world: World) -> None:
    dead = drawing(world, "dead")
    assert world.rescue() == (0, 0)
    assert world.upkeep.mark_dead(WorkerId("dead")) == 1
    assert world.rescue() == (1, 0)
    claims = Worker(world, "next").take()
    assert [claim.render_id for claim in claims] == dead.held_ids


def test_it_is_a_crash_like_any_other(world: World) -> None:
    """A render that kills its worker each time is found, however its worker's end was learnt."""
    job = submitted(world.jobs)
    for life in range(6):
        worker = Worker(world, f"w{life}")
        worker.take()
        worker.beat(done=3)
        world.upkeep.mark_dead(WorkerId(f"w{life}"))
        world.rescue()
    render = world.job(job.job_id).renders[0]
    assert render.state is RenderState.FAILED
    assert render.error
    assert render.error["code"] == "poison"


def test_nobody_elses_leases_end(world: World) -> None:
    alive = drawing(world, "alive")
    drawing(world, "dead")
    world.upkeep.mark_dead(WorkerId("dead"))
    world.rescue()
    assert set(alive.beat(done=4).values()) == {"renewed"}


def test_a_name_that_nobody_has_changes_nothing(world: World) -> None:
    drawing(world, "alive")
    assert world.upkeep.mark_dead(WorkerId("unknown")) == 0
    assert world.rescue() == (0, 0)


def test_a_worker_that_was_wrongly_called_dead_goes_on_with_its_next_beat(world: World) -> None:
    worker = drawing(world, "frozen")
    world.upkeep.mark_dead(WorkerId("frozen"))
    assert set(worker.beat(done=4).values()) == {"renewed"}
    assert world.rescue() == (0, 0)
