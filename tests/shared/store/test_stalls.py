"""A stage that stands still is noticed, and none that waits for a good reason is: over the real store."""

from collections.abc import Callable
from functools import partial

import pytest

from shared.access.limits import TenantLimits
from shared.hints.queues import Queue
from shared.ids import DEFAULT_TENANT, Revision, WorkerId, new_job_id
from shared.jobs.job import PriorSource
from shared.jobs.leases import Claim
from shared.jobs.states import Stage
from shared.schedule.worker_health import WorkerHealth
from shared.store.core.connect import Client
from shared.store.core.object_writes import ObjectWrites
from shared.store.queues.upkeep import Stall, UpkeepStore
from shared.store.renders.leases import Announcement
from tests.shared.store.builders import REVISION, RULES, a_prior, a_spec, submitted
from tests.shared.store.world import World

LASTING_S = 30
DIT_WORKER = Announcement(WorkerId("dit-1"), Queue.DIT, 2, REVISION)
AR_WORKER = Announcement(WorkerId("ar-1"), Queue.AR, 2, REVISION)


@pytest.fixture
def world(client: Client, still_clock: None) -> World:
    return World.of_valkey(client)


def beat(world: World, *workers: Announcement, signs: WorkerHealth | None = None) -> None:
    for worker in workers or (AR_WORKER,):
        world.leases.beat(worker, [], signs=signs or WorkerHealth())


def look(world: World, stage: Stage = Stage.AR) -> Stall:
    assert isinstance(world.upkeep, UpkeepStore)
    return world.upkeep.look_for_stalls(RULES.prior_ready_limit_min, LASTING_S)[stage]


def is_stalled_after(world: World, beats: Callable[[], object], stage: Stage = Stage.AR) -> bool:
    """Whether it counts as stalled when `beats` were heard all the time."""
    for _ in range(LASTING_S // 5 + 1):
        beats()
        found = look(world, stage)
        world.clock.advance(5)
    return found.is_stalled


def claimed(world: World, worker: Announcement = AR_WORKER, stage: Stage = Stage.AR) -> Claim:
    claim = world.leases.claim(stage, worker.revision, worker.worker_id)
    assert claim
    return claim


def test_unpinned_work_that_nobody_claims_though_slots_are_free_is_noticed_once_and_for_all(world: World) -> None:
    submitted(world.jobs)
    assert is_stalled_after(world, partial(beat, world))
    beat(world)
    assert look(world) == Stall(is_stalled=True, was_stalled=True)
    assert world.pace.loads()[Stage.AR].is_stalled
    assert not world.pace.loads()[Stage.DIT].is_stalled
    claimed(world)
    assert look(world) == Stall(is_stalled=False, was_stalled=True)
    assert look(world) == Stall(is_stalled=False, was_stalled=False)
    assert not world.pace.loads()[Stage.AR].is_stalled


def test_a_worker_that_hears_nothing_is_one_with_free_slots(world: World) -> None:
    submitted(world.jobs)
    assert is_stalled_after(world, partial(beat, world, signs=WorkerHealth(silent_s=60)))


def test_a_stage_that_claims_now_and_then_moves(world: World) -> None:
    submitted(world.jobs, n=16)
    busy = Announcement(AR_WORKER.worker_id, Queue.AR, 16, REVISION)

    def claim_and_beat() -> None:
        beat(world, busy)
        claimed(world)

    assert not is_stalled_after(world, claim_and_beat)


def test_what_finishes_was_claimed_even_by_a_worker_that_does_not_note_it(world: World, client: Client) -> None:
    submitted(world.jobs, n=16)
    busy = Announcement(AR_WORKER.worker_id, Queue.AR, 16, REVISION)

    def render_as_an_old_worker() -> None:
        beat(world, busy)
        claim = claimed(world)
        world.clock.advance(1)
        world.leases.finish_prior(claim.lease, a_prior())
        client.delete("gridpress:claimed")

    assert not is_stalled_after(world, render_as_an_old_worker)


def test_no_worker_is_no_stall(world: World) -> None:
    submitted(world.jobs)
    assert not is_stalled_after(world, lambda: None)


def test_a_worker_that_was_stopped_lives_no_more_and_stalls_nothing(world: World) -> None:
    submitted(world.jobs)
    beat(world)
    assert not is_stalled_after(world, lambda: None)


def test_full_workers_are_no_stall(world: World) -> None:
    submitted(world.jobs, n=3)
    beat(world)
    for _ in range(AR_WORKER.slots):
        claimed(world)
    assert not is_stalled_after(world, partial(beat, world))


def test_a_worker_that_drains_owes_nothing(world: World) -> None:
    submitted(world.jobs)
    assert not is_stalled_after(world, partial(beat, world, signs=WorkerHealth(is_draining=True)))


def test_a_tenant_at_its_limit_is_no_stall(world: World) -> None:
    world.set_limits(DEFAULT_TENANT, TenantLimits(concurrent_renders=1))
    submitted(world.jobs, n=3)
    beat(world)
    claimed(world)
    assert not is_stalled_after(world, partial(beat, world))


def test_re_renders_of_a_tenant_at_its_limit_are_no_stall(world: World) -> None:
    world.set_limits(DEFAULT_TENANT, TenantLimits(concurrent_renders=1))
    world.jobs.submit(new_job_id(), a_spec(n=3), source=PriorSource(a_prior(), REVISION))
    beat(world, DIT_WORKER)
    claimed(world, DIT_WORKER, Stage.DIT)
    assert not is_stalled_after(world, partial(beat, world, DIT_WORKER), Stage.DIT)


def test_a_revision_that_nobody_serves_is_no_stall(world: World) -> None:
    beat(world)
    submitted(world.jobs)
    world.clock.advance(RULES.ttl_s)
    assert not is_stalled_after(world, partial(beat, world, Announcement(WorkerId("x"), Queue.AR, 2, Revision("r2"))))


def test_ar_that_may_not_run_further_ahead_is_no_stall(world: World) -> None:
    beat(world)
    for _ in range(2):
        submitted(world.jobs, n=RULES.prior_ready_limit_min)
    for _ in range(RULES.prior_ready_limit_min):
        world.leases.finish_prior(claimed(world).lease, a_prior())
    assert world.leases.claim(Stage.AR, REVISION, AR_WORKER.worker_id) is None
    assert not is_stalled_after(world, partial(beat, world))
    assert is_stalled_after(world, partial(beat, world, AR_WORKER, DIT_WORKER), Stage.DIT)


def test_an_object_store_that_takes_no_writes_has_an_alarm_of_its_own(world: World, client: Client) -> None:
    submitted(world.jobs)
    ObjectWrites(client).note("No space left on device")
    assert not is_stalled_after(world, partial(beat, world))


def test_a_worker_that_runs_suspects_owes_others_nothing(world: World, client: Client) -> None:
    """Two crashes of the same two renders make suspects, which run one by one on a worker that takes nothing else."""
    suspects = submitted(world.jobs, n=2)
    for life in range(2):
        dying = Announcement(WorkerId(f"w{life}"), Queue.AR, 2, REVISION)
        beat(world, dying)
        for _ in suspects.renders:
            claimed(world, dying)
        world.let_leases_end()
        world.rescue()
    beat(world)
    submitted(world.jobs, n=2)
    world.clock.advance(2)
    assert claimed(world)
    assert world.leases.claim(Stage.AR, REVISION, AR_WORKER.worker_id) is None
    assert client.hexists("gridpress:turn:ar", AR_WORKER.worker_id)
    assert not is_stalled_after(world, partial(beat, world))


def test_without_upkeep_nothing_is_said(world: World, client: Client) -> None:
    submitted(world.jobs)
    is_stalled_after(world, partial(beat, world))
    assert 0 < int(client.pttl("gridpress:stall:ar")) <= 60_000  # type: ignore[arg-type]
