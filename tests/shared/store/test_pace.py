"""Where a job stands in the queue and how long it will take, over the real store and its twin."""

import math

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from shared.hints.queues import Queue
from shared.ids import DEFAULT_TENANT, JobId, Revision, TenantId, WorkerId, new_job_id
from shared.jobs.job import Job, PriorSource
from shared.jobs.spec import JobSpec, Priority
from shared.jobs.states import Stage
from shared.schedule.cost import cost_of
from shared.store.core.connect import Client
from shared.store.renders.leases import Announcement
from tests.shared.store.builders import REVISION, WORKER_ID, a_picture, a_prior, a_spec, submitted
from tests.shared.store.clocks import START_MS, StoreClock
from tests.shared.store.world import World


def workers_beat(world: World, revision: Revision = REVISION) -> None:
    for queue in (Queue.AR, Queue.DIT):
        world.leases.beat(Announcement(WorkerId(f"{queue}-1"), queue, 2, revision), [])


def test_a_job_stands_behind_what_will_be_claimed_before_it(world: World) -> None:
    workers_beat(world)
    first = submitted(world.jobs, n=3)
    world.clock.advance(1)
    second = submitted(world.jobs, tenant=TenantId("other"))
    batch = submitted(world.jobs, priority=Priority.BATCH)
    world.clock.advance(1)
    last = submitted(world.jobs)
    places = [world.pace.place(job) for job in (first, second, batch, last)]
    assert [place and place.position for place in places] == [0, 1, 5, 4]


def test_a_job_for_any_revision_stands_behind_its_tenants_renders_of_one_revision(world: World) -> None:
    submitted(world.jobs, n=2)
    assert world.leases.claim(Stage.AR, REVISION, WORKER_ID)
    place = world.pace.place(submitted(world.jobs))
    assert place
    assert place.position == 1


def test_a_job_of_which_nothing_waits_has_no_place(world: World) -> None:
    job = submitted(world.jobs)
    assert world.leases.claim(Stage.AR, REVISION, WORKER_ID)
    assert world.pace.place(world.job(job.job_id)) is None
    ended = world.jobs.cancel(job.job_id, job.spec.tenant)
    assert world.pace.place(ended) is None


def test_nothing_is_promised_before_anything_was_measured(world: World) -> None:
    workers_beat(world)
    place = world.pace.place(submitted(world.jobs))
    assert place
    assert (place.eta_s, place.unserved) == (None, ())


def test_a_stage_of_which_no_worker_serves_the_model_is_named(world: World) -> None:
    job = submitted(world.jobs)
    place = world.pace.place(job)
    assert place
    assert place.unserved == (Stage.AR, Stage.DIT)
    workers_beat(world)
    pinned = submitted(world.jobs)
    world.clock.advance(31)
    workers_beat(world, Revision("r2"))
    place = world.pace.place(pinned)
    assert place
    assert (place.unserved, place.eta_s) == ((Stage.AR, Stage.DIT), None)
    assert world.pace.loads()[Stage.AR].unserved == {REVISION: 1}


def _faded(cost: int, world: World) -> dict[Priority, float]:
    """A picture was decoded at second 10. Over less than a minute no rate is measured."""
    ago_s = (world.clock.now_ms() - START_MS) / 1000 - 10
    over_s = max(60.0, 900 * (1 - math.exp(-ago_s / 900)))
    return {Priority.INTERACTIVE: cost * math.exp(-ago_s / 900) / over_s}


def measured(world: World, ar_s: int, dit_s: int) -> None:
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


def test_the_time_to_the_end_is_what_renders_took_of_late(world: World) -> None:
    measured(world, ar_s=4, dit_s=6)
    world.clock.advance(60)
    workers_beat(world)
    jobs = [submitted(world.jobs) for _ in range(5)]
    etas = [place.eta_s for job in jobs if (place := world.pace.place(job))]
    assert etas[0] == pytest.approx(4 + 6)
    # Four before it on one device, whatever its worker's slots: the DiT has decoded them after 24 s.
    assert etas[4] == pytest.approx(max(4 * 4 / 2 + 4, 4 * 6) + 6)
    loads = world.pace.loads()
    assert loads[Stage.AR].backlog_s == pytest.approx(5 * 4 / 2)
    assert (loads[Stage.DIT].waiting_cost, loads[Stage.DIT].backlog_s) == (0, 0)
    assert loads[Stage.DIT].coming_cost == 5 * cost_of(jobs[0].spec.settings).dit


def test_the_recent_work_of_a_class_is_what_its_renders_cost_and_it_fades(world: World) -> None:
    measured(world, ar_s=4, dit_s=6)
    cost = cost_of(a_spec().settings)
    for waited_s in (0, 60, 3600):
        world.clock.advance(waited_s)
        recent = [world.pace.loads()[stage].strength.recent_per_s for stage in Stage]
        assert recent[1] == pytest.approx({Priority.INTERACTIVE: 0, Priority.BATCH: 0} | _faded(cost.dit, world))
        assert recent[0][Priority.INTERACTIVE] < cost.ar / 60


def test_a_full_stage_is_waited_for(world: World) -> None:
    measured(world, ar_s=4, dit_s=6)
    workers_beat(world)
    job = submitted(world.jobs, n=2)
    for _ in range(2):
        world.leases.claim(Stage.AR, REVISION, WorkerId("ar-1"))
    place = world.pace.place(submitted(world.jobs))
    assert job
    assert place
    # Both rows are free after 4 s, and the two in them come to the DiT before it: decoded 4 + 4 s after that.
    assert place.eta_s == pytest.approx(max(4 + 4, 2 * 6) + 6)


def test_a_re_render_begins_with_its_grid_and_counts_as_queued(world: World) -> None:
    job = world.jobs.submit(new_job_id(), a_spec(n=2), source=PriorSource(a_prior(9), REVISION))
    assert [render.state for render in job.renders] == [Stage.DIT.waiting] * 2
    assert (world.jobs.load(job.spec.tenant).queued, world.jobs.load(job.spec.tenant).running) == (2, 0)
    assert world.leases.claim(Stage.AR, REVISION, WORKER_ID) is None
    claim = world.leases.claim(Stage.DIT, REVISION, WORKER_ID)
    assert claim
    assert claim.prior == a_prior(9)
    assert (world.jobs.load(job.spec.tenant).queued, world.jobs.load(job.spec.tenant).running) == (1, 1)


def test_many_re_renders_do_not_hold_up_the_ar_stage(world: World) -> None:
    world.jobs.submit(new_job_id(), a_spec(n=40), source=PriorSource(a_prior(9), REVISION))
    submitted(world.jobs)
    assert world.leases.claim(Stage.AR, REVISION, WORKER_ID)


WAITING = st.lists(
    st.tuples(
        st.integers(1, 3),
        st.sampled_from(["a", "b", "c"]),
        st.sampled_from(list(Priority)),
        st.booleans(),
        st.sampled_from([0.0, 0.001, 200.0]),
        st.integers(1, 50),
    ),
    min_size=1,
    max_size=8,
)


def test_a_position_is_what_counting_everything_gives(client: Client, still_clock: None) -> None:
    """And the time to the end is near what summing everything gives: costs within a lane are taken in proportion."""

    @settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
    @given(WAITING)
    def check(waiting: list[tuple[int, str, Priority, bool, float, int]]) -> None:
        client.flushdb()
        worlds = (World.of_valkey(client), World.of_memory())
        assert isinstance(worlds[0].clock, StoreClock)
        for world in worlds:
            measured(world, ar_s=4, dit_s=6)
            workers_beat(world)
        jobs = []
        for n, tenant, priority, is_again, seconds, _ in waiting:
            job_id, source = new_job_id(), PriorSource(a_prior(), REVISION) if is_again else None
            spec = a_spec(n=n, tenant=TenantId(tenant), priority=priority)
            jobs.append(_submitted_to_both(worlds, job_id, spec, source))
            for world in worlds:
                world.clock.advance(seconds)
        for world in worlds:
            workers_beat(world)
        for job in jobs:
            real, twin = (world.pace.place(job) for world in worlds)
            assert real
            assert twin
            assert (real.stage, real.position, real.unserved) == (twin.stage, twin.position, twin.unserved)
            assert real.eta_s == pytest.approx(twin.eta_s)

    check()


def _submitted_to_both(worlds: tuple[World, World], job_id: JobId, spec: JobSpec, source: PriorSource | None) -> Job:
    first, second = (world.jobs.submit(job_id, spec, source=source) for world in worlds)
    assert first == second
    return first


def finish_after(world: World, seconds: float, worker: WorkerId = WORKER_ID) -> None:
    """A render that takes this long in AR."""
    submitted(world.jobs)
    claim = world.leases.claim(Stage.AR, REVISION, worker)
    assert claim
    world.clock.advance(seconds)
    world.leases.finish_prior(claim.lease, a_prior())
    world.jobs.cancel(claim.job_id, DEFAULT_TENANT)


def render_s_of(world: World, *, is_full: bool) -> float:
    """The time of one render of `finish_after` by the measured pace."""
    strength = world.pace.loads()[Stage.AR].strength
    pace = strength.full_seconds_per_cost if is_full else strength.seconds_per_cost
    assert pace
    return pace * cost_of(a_spec().settings).ar


def test_one_render_that_stood_still_hardly_moves_the_pace(world: World) -> None:
    for _ in range(20):
        finish_after(world, 10)
    finish_after(world, 3600)
    assert render_s_of(world, is_full=False) == pytest.approx(10, rel=0.25)


def burst(world: World, num: int, seconds: float) -> None:
    """Renders that one worker with as many slots takes at once and ends at once."""
    worker = Announcement(WorkerId("ar-1"), Queue.AR, num, REVISION)
    world.leases.beat(worker, [])
    job = submitted(world.jobs, n=num)
    claims = [world.leases.claim(Stage.AR, REVISION, worker.worker_id) for _ in range(num)]
    world.clock.advance(seconds)
    for claim in claims:
        assert claim
        world.leases.finish_prior(claim.lease, a_prior())
    world.jobs.cancel(job.job_id, DEFAULT_TENANT)


def test_a_burst_at_most_doubles_the_pace_in_half_a_minute(world: World) -> None:
    """A device that takes one render at a time is 16 times as long in each of 16 slots."""
    for _ in range(20):
        finish_after(world, 1)
    world.clock.advance(60)
    burst(world, 16, seconds=16)
    for is_full in (False, True):
        assert render_s_of(world, is_full=is_full) == pytest.approx(2, rel=0.05)
    for _ in range(4):
        burst(world, 16, seconds=16)
    assert render_s_of(world, is_full=True) > 4


def test_quiet_hours_do_not_change_what_a_full_worker_takes(world: World) -> None:
    for _ in range(3):
        burst(world, 16, seconds=16)
    assert render_s_of(world, is_full=True) == pytest.approx(16)
    for _ in range(20):
        world.leases.beat(Announcement(WorkerId("ar-1"), Queue.AR, 16, REVISION), [])
        finish_after(world, 1, WorkerId("ar-1"))
    assert render_s_of(world, is_full=True) > 12
    assert render_s_of(world, is_full=False) < 12


def a_dit_worker(world: World, slots: int = 2) -> WorkerId:
    worker = Announcement(WorkerId("dit-1"), Queue.DIT, slots, REVISION)
    world.leases.beat(worker, [])
    return worker.worker_id


def a_re_render(world: World, priority: Priority = Priority.INTERACTIVE) -> Job:
    return world.jobs.submit(new_job_id(), a_spec(priority=priority), source=PriorSource(a_prior(), REVISION))


def decode_pace_s(world: World) -> float:
    pace = world.pace.loads()[Stage.DIT].strength.full_seconds_per_cost
    assert pace
    return pace * cost_of(a_spec().settings).dit


@pytest.mark.parametrize("slots", [1, 2])
def test_what_a_dit_worker_holds_counts_as_one_device(world: World, slots: int) -> None:
    """It holds each render for 12 s, half of them behind the one before. Two slots share a step."""
    worker = a_dit_worker(world, slots)
    for _ in range(6):
        a_re_render(world)
    ahead = world.leases.claim(Stage.DIT, REVISION, worker)
    for _ in range(5):
        first, ahead = ahead, world.leases.claim(Stage.DIT, REVISION, worker)
        world.clock.advance(6)
        assert first
        world.leases.finish_picture(first.lease, a_picture())
    assert decode_pace_s(world) == pytest.approx(6)
    a_dit_worker(world, slots)
    assert world.pace.loads()[Stage.DIT].strength.servers == 1


def test_a_higher_class_takes_the_device_and_pays_for_it(world: World) -> None:
    worker = a_dit_worker(world)
    a_re_render(world, Priority.BATCH)
    bulk = world.leases.claim(Stage.DIT, REVISION, worker)
    world.clock.advance(3)
    a_re_render(world)
    urgent = world.leases.claim(Stage.DIT, REVISION, worker)
    for claim, seconds in ((urgent, 6), (bulk, 3)):
        world.clock.advance(seconds)
        assert claim
        world.leases.finish_picture(claim.lease, a_picture())
    assert decode_pace_s(world) == pytest.approx(6)


def test_a_job_whose_renders_run_is_told_what_is_left(world: World) -> None:
    measured(world, ar_s=4, dit_s=6)
    workers_beat(world)
    job = submitted(world.jobs)
    claim = world.leases.claim(Stage.AR, REVISION, WorkerId("ar-1"))
    assert claim
    world.clock.advance(1)
    assert eta_of(world, job) == pytest.approx(3 + 6)
    world.clock.advance(3)
    world.leases.finish_prior(claim.lease, a_prior())
    assert eta_of(world, job) == pytest.approx(6)
    claim = world.leases.claim(Stage.DIT, REVISION, WorkerId("dit-1"))
    assert claim
    world.clock.advance(2)
    assert eta_of(world, job) == pytest.approx(4)
    world.leases.finish_picture(claim.lease, a_picture())
    assert eta_of(world, job) is None


_LONG_S = 24 * 3600  # after it, no work of people is expected any more


def test_a_person_does_not_wait_for_bulk_that_is_on_the_device(world: World) -> None:
    measured(world, ar_s=4, dit_s=6)
    world.clock.advance(_LONG_S)
    workers_beat(world)
    a_re_render(world, Priority.BATCH)
    assert world.leases.claim(Stage.DIT, REVISION, WorkerId("dit-1"))
    assert eta_of(world, a_re_render(world)) == pytest.approx(6)
    assert eta_of(world, a_re_render(world, Priority.BATCH)) == pytest.approx(6 + 6 + 6)


@pytest.mark.parametrize(("priority", "rounds"), [(Priority.INTERACTIVE, 1), (Priority.BATCH, 2)])
def test_bulk_is_told_of_the_rows_that_it_may_have(world: World, priority: Priority, rounds: int) -> None:
    """One of AR's four rows is kept free of it."""
    measured(world, ar_s=8, dit_s=1)
    world.clock.advance(_LONG_S)
    for queue, slots in ((Queue.AR, 4), (Queue.DIT, 1)):
        world.leases.beat(Announcement(WorkerId(f"{queue}-1"), queue, slots, REVISION), [])
    jobs = [submitted(world.jobs, priority=priority) for _ in range(7)]
    assert eta_of(world, jobs[-1]) == pytest.approx(rounds * 8 + 8 + 1)


def test_a_job_of_a_worker_that_is_gone_is_promised_nothing(world: World) -> None:
    measured(world, ar_s=4, dit_s=6)
    workers_beat(world)
    job = a_re_render(world)
    assert world.leases.claim(Stage.DIT, REVISION, WORKER_ID)
    world.clock.advance(31)
    workers_beat(world)
    assert eta_of(world, job) is None


def eta_of(world: World, job: Job) -> float | None:
    return world.pace.outlook(world.job(job.job_id)).eta_s
