"""How many workers the stages ask for, over the real store and its twin: only work that a worker could take counts."""

import pytest

from shared.access.limits import TenantLimits
from shared.hints.queues import Queue
from shared.ids import Revision, TenantId, WorkerId, new_job_id
from shared.jobs.job import PriorSource
from shared.jobs.states import Stage
from shared.schedule.autoscaling import ScalingRules, wanted_workers
from shared.schedule.cost import cost_of
from shared.store.renders.leases import Announcement
from tests.shared.store.builders import REVISION, RULES, WORKER_ID, a_picture, a_prior, a_spec, submitted
from tests.shared.store.world import World

ACME = TenantId("acme")
SCALING = ScalingRules(target_wait_s=60, prior_ready_limit_min=RULES.prior_ready_limit_min)


def beat(world: World, queue: Queue = Queue.AR, slots: int = 2, revision: Revision = REVISION, name: str = "1") -> None:
    world.leases.beat(Announcement(WorkerId(f"{queue}-{name}"), queue, slots, revision), [])


def wanted(world: World) -> tuple[int, int]:
    found = wanted_workers(world.pace.loads(), SCALING)
    return found[Stage.AR], found[Stage.DIT]


def measured(world: World, ar_s: float = 10, dit_s: float = 10) -> None:
    """One render, which takes this long in each stage."""
    submitted(world.jobs)
    claim = world.leases.claim(Stage.AR, REVISION, WORKER_ID)
    assert claim
    world.clock.advance(ar_s)
    world.leases.finish_prior(claim.lease, a_prior())
    claim = world.leases.claim(Stage.DIT, REVISION, WORKER_ID)
    assert claim
    world.clock.advance(dit_s)
    world.leases.finish_picture(claim.lease, a_picture())
    all_gone(world)


def all_gone(world: World) -> None:
    world.clock.advance(3600)


def test_nothing_that_waits_asks_for_nobody(world: World) -> None:
    assert wanted(world) == (0, 0)
    measured(world)
    assert wanted(world) == (0, 0)


def test_the_first_job_of_a_new_service_asks_for_a_worker_of_each_stage(world: World) -> None:
    submitted(world.jobs, n=16)
    submitted(world.jobs, n=16)
    assert wanted(world) == (1, 1)


def test_from_zero_the_slots_and_the_pace_of_those_who_left_count(world: World) -> None:
    for queue in (Queue.AR, Queue.DIT):
        beat(world, queue, slots=2)
    measured(world)
    loads = world.pace.loads()
    assert (loads[Stage.AR].strength.workers, loads[Stage.AR].last_slots) == (0, 2)
    for _ in range(3):
        submitted(world.jobs, n=16)
    # AR may make 16 ahead of the DiT, and the 6 that its first worker decodes in 60 s: 220 s in a row, 110 s on a
    # worker. The DiT will have 12 from AR's first worker by then: 120 s on a worker, whose slots share a device.
    assert wanted(world) == (2, 2)


def test_what_comes_from_ar_is_counted_before_it_comes(world: World) -> None:
    measured(world)
    beat(world, Queue.AR, slots=48)
    beat(world, Queue.DIT, slots=2)
    for _ in range(3):
        submitted(world.jobs, n=16)
    assert wanted(world)[1] == 8


def test_no_more_is_expected_of_ar_than_it_makes_in_time(world: World) -> None:
    """An hour of AR work is no reason for a hundred DiT workers."""
    measured(world, ar_s=30, dit_s=10)
    beat(world, Queue.AR, slots=2)
    beat(world, Queue.DIT, slots=2)
    for _ in range(30):
        submitted(world.jobs, n=16)
    assert wanted(world)[1] == 1


def test_more_ar_workers_are_not_asked_for_while_the_dit_holds_ar_back(world: World) -> None:
    measured(world, ar_s=10, dit_s=60)
    beat(world, Queue.AR, slots=2)
    beat(world, Queue.DIT, slots=1)
    for _ in range(30):
        submitted(world.jobs, n=16)
    for _ in range(16):
        claim = world.leases.claim(Stage.AR, REVISION, WorkerId("ar-1"))
        assert claim
        world.leases.finish_prior(claim.lease, a_prior())
    assert world.leases.claim(Stage.AR, REVISION, WorkerId("ar-1")) is None
    assert wanted(world)[0] == 1


def test_a_busy_worker_is_never_asked_away(world: World) -> None:
    measured(world, ar_s=1, dit_s=1)
    submitted(world.jobs, n=6)
    for name in "123":
        beat(world, name=name)
        for _ in range(2):
            assert world.leases.claim(Stage.AR, REVISION, WorkerId(f"ar-{name}"))
    assert wanted(world) == (3, 1)


def test_what_a_dit_worker_holds_beyond_its_slot_asks_for_no_other(world: World) -> None:
    """It prepares one ahead, or has pre-empted one."""
    measured(world, ar_s=1, dit_s=1)
    beat(world, Queue.DIT, slots=1)
    submitted(world.jobs, n=2)
    for _ in range(2):
        prior = world.leases.claim(Stage.AR, REVISION, WORKER_ID)
        assert prior
        world.leases.finish_prior(prior.lease, a_prior())
        assert world.leases.claim(Stage.DIT, REVISION, WorkerId("dit-1"))
    assert world.pace.loads()[Stage.DIT].strength.running == 2
    assert wanted(world)[1] == 1


def test_renders_of_a_dead_worker_still_ask_for_one(world: World) -> None:
    measured(world)
    beat(world)
    submitted(world.jobs)
    assert world.leases.claim(Stage.AR, REVISION, WorkerId("ar-1"))
    world.clock.advance(RULES.ttl_s)
    load = world.pace.loads()[Stage.AR]
    assert (load.waiting, load.strength.running, load.orphans) == (0, 0, 1)
    assert wanted(world)[0] == 1


def test_a_revision_that_nobody_serves_asks_for_nobody(world: World) -> None:
    beat(world)
    submitted(world.jobs, n=4)
    beat(world, Queue.DIT, revision=Revision("r2"))
    world.clock.advance(RULES.ttl_s)
    beat(world, revision=Revision("r2"))
    load = world.pace.loads()[Stage.AR]
    assert (load.waiting, load.open.renders) == (4, 0)
    assert wanted(world) == (0, 0)


def test_suspects_of_a_crash_count_once(world: World) -> None:
    job = submitted(world.jobs, n=4)
    for life in range(2):
        dying = Announcement(WorkerId(f"w{life}"), Queue.AR, 3, REVISION)
        world.leases.beat(dying, [])
        for _ in range(3):
            assert world.leases.claim(Stage.AR, REVISION, dying.worker_id)
        world.let_leases_end()
        world.rescue()
    load = world.pace.loads()[Stage.AR]
    cost = cost_of(job.spec.settings)
    assert (load.open.renders, load.open.cost, load.open.later_cost) == (4, 4 * cost.ar, 4 * cost.dit)


def test_a_tenant_at_its_limit_asks_for_no_more_than_it_may_begin(world: World) -> None:
    measured(world)
    beat(world)
    world.set_limits(ACME, TenantLimits(concurrent_renders=2))
    for _ in range(3):
        submitted(world.jobs, n=16, tenant=ACME)
    assert world.pace.loads()[Stage.AR].open.renders == 2
    assert wanted(world)[0] == 1
    for _ in range(2):
        assert world.leases.claim(Stage.AR, REVISION, WorkerId("ar-1"))
    load = world.pace.loads()[Stage.AR]
    assert (load.waiting, load.open.renders, load.open.cost) == (46, 0, 0)
    assert wanted(world)[0] == 1


def test_re_renders_keep_to_the_limit_in_the_dit(world: World) -> None:
    world.set_limits(ACME, TenantLimits(concurrent_renders=3))
    world.jobs.submit(new_job_id(), a_spec(n=16, tenant=ACME), source=PriorSource(a_prior(), REVISION))
    assert world.pace.loads()[Stage.DIT].open.renders == 3


@pytest.mark.parametrize("num_workers", [1, 2, 3])
def test_a_guess_asks_for_at_most_twice_the_workers_that_live(world: World, num_workers: int) -> None:
    for name in range(num_workers):
        beat(world, name=str(name))
    for _ in range(5):
        submitted(world.jobs, n=16)
    assert wanted(world)[0] == 2 * num_workers
