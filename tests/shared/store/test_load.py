"""How many renders a tenant has waiting and begun, and the limits on both, over the real store and its twin."""

import pytest

from shared.access.limits import Load, TenantLimits
from shared.errors import TenantLimitReached
from shared.ids import DEFAULT_TENANT, TenantId, WorkerId, new_job_id
from shared.jobs.states import Stage
from tests.shared.store.builders import REVISION, WORKER_ID, a_prior, a_spec, finish_next, submitted
from tests.shared.store.world import World

ACME = TenantId("acme")


def claim_all(world: World, stage: Stage) -> list[TenantId]:
    """Whose renders a worker that takes all it can gets, in order."""
    taken = []
    while claim := world.leases.claim(stage, REVISION, WORKER_ID):
        of_default = world.jobs.jobs(DEFAULT_TENANT, limit=99, after=None)
        taken.append(DEFAULT_TENANT if claim.job_id in [job.job_id for job in of_default] else ACME)
    return taken


def test_a_render_counts_as_queued_then_as_running_until_it_ends(world: World) -> None:
    job = submitted(world.jobs, n=3, tenant=ACME)
    assert world.jobs.load(ACME) == Load(3, 0)
    prior = world.leases.claim(Stage.AR, REVISION, WORKER_ID)
    assert prior
    assert world.jobs.load(ACME) == Load(2, 1)
    world.leases.finish_prior(prior.lease, a_prior())
    assert world.jobs.load(ACME) == Load(2, 1)
    world.jobs.cancel(job.job_id, ACME)
    assert world.jobs.load(ACME) == world.jobs.load(DEFAULT_TENANT) == Load(0, 0)


def test_what_is_rescued_waits_again(world: World) -> None:
    submitted(world.jobs)
    world.leases.claim(Stage.AR, REVISION, WORKER_ID)
    world.let_leases_end()
    world.rescue()
    assert world.jobs.load(DEFAULT_TENANT) == Load(1, 0)


def test_what_expires_counts_no_more(world: World) -> None:
    submitted(world.jobs, n=2, start_timeout_s=5.0)
    world.clock.advance(6)
    world.upkeep.expire()
    assert world.jobs.load(DEFAULT_TENANT) == Load(0, 0)


def test_a_dead_letter_counts_again_once_it_is_requeued(world: World) -> None:
    job = submitted(world.jobs)
    for life in range(2):
        world.leases.claim(Stage.AR, REVISION, WorkerId(f"w{life}"))
        world.let_leases_end()
        world.rescue(poison_strikes=1)
    assert world.jobs.load(DEFAULT_TENANT) == Load(0, 0)
    world.dead_letters.requeue(job.renders[0].render_id, DEFAULT_TENANT)
    assert world.jobs.load(DEFAULT_TENANT) == Load(1, 0)


def test_more_than_may_wait_is_refused_whole(world: World) -> None:
    world.set_limits(ACME, TenantLimits(queued_renders=3))
    submitted(world.jobs, n=2, tenant=ACME)
    with pytest.raises(TenantLimitReached):
        submitted(world.jobs, n=2, tenant=ACME)
    assert world.jobs.load(ACME) == Load(2, 0)
    assert len(world.jobs.jobs(ACME, limit=9, after=None)) == 1
    submitted(world.jobs, n=1, tenant=ACME)
    submitted(world.jobs, n=9)


def test_a_job_that_stands_already_is_answered_under_a_full_queue(world: World) -> None:
    world.set_limits(ACME, TenantLimits(queued_renders=1))
    job_id = new_job_id()
    first = world.jobs.submit(job_id, a_spec(tenant=ACME))
    assert world.jobs.submit(job_id, a_spec(tenant=ACME)) == first


def test_what_is_begun_makes_room_in_the_queue(world: World) -> None:
    world.set_limits(ACME, TenantLimits(queued_renders=1))
    submitted(world.jobs, tenant=ACME)
    world.leases.claim(Stage.AR, REVISION, WORKER_ID)
    submitted(world.jobs, tenant=ACME)


def test_a_tenant_at_its_limit_waits_and_others_go_past_it(world: World) -> None:
    world.set_limits(ACME, TenantLimits(concurrent_renders=2))
    submitted(world.jobs, n=3, tenant=ACME)
    submitted(world.jobs, n=2)
    assert sorted(claim_all(world, Stage.AR)) == [ACME, ACME, DEFAULT_TENANT, DEFAULT_TENANT]
    assert world.jobs.load(ACME) == Load(1, 2)


def test_a_tenant_at_its_limit_goes_on_with_what_it_began(world: World) -> None:
    world.set_limits(DEFAULT_TENANT, TenantLimits(concurrent_renders=1))
    submitted(world.jobs, n=3)
    for _ in range(3):
        finish_next(world.leases)
    assert world.jobs.load(DEFAULT_TENANT) == Load(0, 0)


def test_suspects_wait_for_the_limit_as_well(world: World) -> None:
    world.set_limits(DEFAULT_TENANT, TenantLimits(concurrent_renders=1))
    submitted(world.jobs, n=2)
    for life in range(2):
        world.leases.claim(Stage.AR, REVISION, WorkerId(f"w{life}"))
        world.let_leases_end()
        world.rescue()
    assert len(claim_all(world, Stage.AR)) == 1
    assert world.leases.claim(Stage.AR, REVISION, WorkerId("another")) is None
