"""Who goes first: the class, with a floor for the lower one, then within a tenant age; and nobody waits for ever."""

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from shared.ids import Revision, new_job_id
from shared.jobs.job import Job
from shared.jobs.spec import Priority
from shared.jobs.states import Stage
from shared.store.core.connect import Client
from shared.store.renders.leases import LeaseRules
from tests.shared.store.builders import REVISION, RULES, WORKER_ID, a_prior, a_spec, submitted
from tests.shared.store.crashes import Worker
from tests.shared.store.world import World

ARRIVALS = st.lists(st.tuples(st.integers(0, 600), st.sampled_from(list(Priority))), min_size=1, max_size=12)
NEVER = LeaseRules(ttl_s=30, prior_ready_limit_min=16, batch_floor=0)


def test_interactive_goes_before_batch(world: World) -> None:
    batch = submitted(world.jobs, priority=Priority.BATCH)
    world.clock.advance(24 * 3600)
    interactive = submitted(world.jobs)
    assert [claim.job_id for claim in Worker(world, "w").take()] == [interactive.job_id, batch.job_id]


def test_batch_goes_on_beside_interactive_up_to_its_floor(world: World) -> None:
    batch = submitted(world.jobs, n=16, priority=Priority.BATCH)
    for _ in range(2):
        submitted(world.jobs, n=16)
    order = [claim.job_id == batch.job_id for claim in Worker(world, "w").take(32)]
    every = round(1 / RULES.batch_floor)
    assert [place for place, is_batch in enumerate(order, start=1) if is_batch] == list(range(every, 33, every))


def test_without_a_floor_batch_waits_for_all_that_is_interactive(world: World) -> None:
    leases = world.leases_under(NEVER)
    submitted(world.jobs, n=4, priority=Priority.BATCH)
    interactive = submitted(world.jobs, n=16)
    claims = [leases.claim(Stage.AR, REVISION, WORKER_ID) for _ in range(16)]
    assert {claim and claim.job_id for claim in claims} == {interactive.job_id}


def test_what_batch_had_while_nobody_else_waited_is_not_counted_against_its_floor(world: World) -> None:
    submitted(world.jobs, n=16, priority=Priority.BATCH)
    worker = Worker(world, "w")
    worker.take(9)
    interactive = submitted(world.jobs, n=16)
    assert [claim.job_id == interactive.job_id for claim in worker.take(10)] == [True] * 9 + [False]


def test_both_stages_choose_by_the_same_rule(world: World) -> None:
    batch = submitted(world.jobs, priority=Priority.BATCH)
    ar = Worker(world, "ar")
    ar.take()
    interactive = submitted(world.jobs)
    ar.take()
    ar.finish()
    taken = Worker(world, "dit", Stage.DIT).take()
    assert [claim.job_id for claim in taken] == [interactive.job_id, batch.job_id]


def test_a_batch_that_waits_for_the_dit_does_not_close_the_door_on_interactive(world: World) -> None:
    leases = world.leases_under(LeaseRules(ttl_s=30, prior_ready_limit_min=2))
    submitted(world.jobs, n=4, priority=Priority.BATCH)
    ar = Worker(world, "ar")
    for claim in ar.take(2):
        leases.finish_prior(claim.lease, a_prior())
    interactive = submitted(world.jobs)
    claims = [leases.claim(Stage.AR, REVISION, WORKER_ID) for _ in range(2)]
    assert [claim and claim.job_id for claim in claims] == [interactive.job_id, None]


def test_what_waits_for_another_model_revision_does_not_close_the_door(world: World) -> None:
    """After an upgrade nobody may be left to take it."""
    leases = world.leases_under(LeaseRules(ttl_s=30, prior_ready_limit_min=2))
    submitted(world.jobs, n=2)
    for old in Worker(world, "old").take():
        leases.finish_prior(old.lease, a_prior())
    job = submitted(world.jobs)
    claim = leases.claim(Stage.AR, Revision("r2"), WORKER_ID)
    assert claim
    assert claim.job_id == job.job_id


def test_suspects_of_another_model_revision_do_not_close_the_door(world: World) -> None:
    leases = world.leases_under(LeaseRules(ttl_s=30, prior_ready_limit_min=2))
    submitted(world.jobs, n=4)
    ar = Worker(world, "old")
    ar.take()
    ar.finish()
    for life in range(2):
        dit = Worker(world, f"old-{life}", Stage.DIT)
        dit.take()
        dit.die()
    job = submitted(world.jobs)
    claim = leases.claim(Stage.AR, Revision("r2"), WORKER_ID)
    assert claim
    assert claim.job_id == job.job_id


def _check_order(world: World, arrivals: list[tuple[int, Priority]]) -> None:
    jobs: list[Job] = []
    now_s = 0
    for at_s, priority in sorted(arrivals):
        world.clock.advance(at_s - now_s)
        now_s = at_s
        jobs.append(world.jobs.submit(new_job_id(), a_spec(priority=priority)))
    leases = world.leases_under(NEVER)
    claims = iter(lambda: leases.claim(Stage.AR, REVISION, WORKER_ID), None)
    order = [claim.job_id for claim in claims]
    assert sorted(order) == sorted(job.job_id for job in jobs), "nobody is left out"
    place = {job_id: index for index, job_id in enumerate(order)}
    for job in jobs:
        for other in jobs:
            rank, other_rank = job.spec.priority.rank, other.spec.priority.rank
            if rank < other_rank or (rank == other_rank and job.created_at < other.created_at):
                assert place[job.job_id] < place[other.job_id]


@settings(max_examples=50, deadline=None)
@given(arrivals=ARRIVALS)
def test_a_tenants_renders_go_by_class_and_then_by_age(arrivals: list[tuple[int, Priority]]) -> None:
    _check_order(World.of_memory(), arrivals)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(arrivals=ARRIVALS)
def test_the_real_store_keeps_that_order(
    client: Client, still_clock: None, arrivals: list[tuple[int, Priority]]
) -> None:
    client.flushdb()
    _check_order(World.of_valkey(client), arrivals)
