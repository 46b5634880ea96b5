"""Renders that are too large for some workers: who claims them, who waits for whom, and what their jobs say."""

from collections import Counter
from dataclasses import replace

import pytest

from shared.hints.queues import Queue
from shared.ids import JobId, Revision, TenantId, WorkerId
from shared.jobs.job import Job
from shared.jobs.leases import Claim, Room, Vacancy
from shared.jobs.spec import Priority, RenderSettings
from shared.jobs.states import Stage
from shared.schedule.autoscaling import ScalingRules, wanted_workers
from shared.schedule.cost import cost_of
from shared.schedule.sizes import SIZE_NAMES, Sizes
from shared.store.core.connect import Client
from shared.store.queues.upkeep import UpkeepStore
from shared.store.renders.leases import Announcement, LeaseStore
from tests.shared.store.builders import REVISION, RULES, a_picture, a_prior
from tests.shared.store.commands import num_commands
from tests.shared.store.sizes_fleet import LARGE, LARGE_PX, MEDIUM, ORDINARY_PX, SMALL, A, B, Fleet


@pytest.fixture
def fleet(client: Client) -> Fleet:
    return Fleet(client)


@pytest.mark.parametrize("stage", Stage)
def test_a_small_worker_claims_what_waits_behind_a_large_render(fleet: Fleet, stage: Stage) -> None:
    large = fleet.submit(LARGE_PX, stage=stage)
    of_same, of_other = fleet.submit(ORDINARY_PX, stage=stage), fleet.submit(ORDINARY_PX, B, stage)
    assert {fleet.claimed(SMALL, stage), fleet.claimed(SMALL, stage)} == {of_same.job_id, of_other.job_id}
    assert fleet.claimed(SMALL, stage) is None
    assert fleet.claimed(LARGE, stage) == large.job_id


def test_a_worker_claims_each_size_that_it_announced_and_no_other(fleet: Fleet) -> None:
    picture, edit = fleet.submit(LARGE_PX), fleet.submit(LARGE_PX, condition_px=2048)
    wide = fleet.submit(ORDINARY_PX, condition_px=2048)
    assert fleet.claimed(MEDIUM) == picture.job_id
    assert fleet.claimed(MEDIUM) is None
    assert [fleet.claimed(LARGE), fleet.claimed(LARGE)] == [edit.job_id, wide.job_id]


def test_a_worker_of_every_size_claims_a_tenants_renders_by_age(fleet: Fleet) -> None:
    sides = [ORDINARY_PX, LARGE_PX, 1536, ORDINARY_PX, LARGE_PX, 256]
    jobs = [fleet.submit(side).job_id for side in sides]
    assert [fleet.claimed(LARGE) for _ in jobs] == jobs


def test_hundreds_of_tenants_with_large_renders_cost_a_small_worker_nothing(fleet: Fleet) -> None:
    def commands_of_a_claim() -> int:
        fleet.submit(ORDINARY_PX, B)
        claims: list[Claim | None] = []
        num = num_commands(fleet.client, lambda: claims.append(fleet.claim(SMALL)))
        assert [claim.tenant for claim in claims if claim] == [B]
        return num

    commands_of_a_claim()  # loads the scripts
    alone = commands_of_a_claim()
    for number in range(150):
        fleet.submit(LARGE_PX, TenantId(f"t{number}"))
    assert commands_of_a_claim() <= alone + len(SIZE_NAMES) + 5  # it looks which of the sizes wait


def test_large_renders_of_all_tenants_get_their_turn_beside_small_ones(fleet: Fleet) -> None:
    for number in range(5):
        for _ in range(20):
            fleet.submit(ORDINARY_PX, TenantId(f"t{number}"))
    for _ in range(30):
        fleet.finished(SMALL)
    large = [fleet.submit(LARGE_PX, TenantId(f"large{number}")).job_id for number in range(2)]
    for _ in range(5):  # the small workers go on, and the clock of the pool with them
        fleet.finished(SMALL)
        fleet.submit(LARGE_PX, TenantId("large0"))
    claims = [fleet.finished(LARGE).job_id for _ in range(7)]
    assert set(large) <= set(claims)  # at most one render of each of the five others goes before


def test_a_stream_of_new_tenants_does_not_starve_a_large_render(fleet: Fleet) -> None:
    """The tenant sends further large renders meanwhile, and keeps its turn."""
    first, claimed = fleet.submit(LARGE_PX, A), list[JobId]()
    for number in range(20):
        fleet.submit(ORDINARY_PX, TenantId(f"t{number}"))
        fleet.submit(ORDINARY_PX, TenantId(f"u{number}"))
        fleet.submit(LARGE_PX, A)
        fleet.finished(SMALL)
        if number >= 10:
            claimed.append(fleet.finished(LARGE).job_id)
    assert first.job_id in claimed[:2]


def test_a_tenant_with_two_sizes_has_one_share(fleet: Fleet) -> None:
    for _ in range(30):
        fleet.submit(ORDINARY_PX, A)
        fleet.submit(1536, A)
        for _ in range(3):
            fleet.submit(ORDINARY_PX, B)
    served = Counter[TenantId]()
    for _ in range(40):
        claim = fleet.finished(LARGE)
        served[claim.tenant] += cost_of(claim.settings).dit
    most = cost_of(RenderSettings(prompt="a", width_px=1536, height_px=1536)).dit
    assert abs(served[A] - served[B]) <= 2 * most


def test_a_hand_back_returns_what_a_large_render_cost(fleet: Fleet) -> None:
    fleet.submit(LARGE_PX, A), fleet.submit(ORDINARY_PX, A), fleet.submit(ORDINARY_PX, B)
    claim = fleet.claim(LARGE)
    assert claim
    assert claim.tenant == A
    fleet.leases.hand_back(claim.lease)
    assert fleet.claimed(LARGE) == claim.job_id


@pytest.mark.parametrize("num_small", [1, 3])
def test_a_large_batch_render_gets_the_floor_of_the_workers_that_can_render_it(fleet: Fleet, num_small: int) -> None:
    fleet.leases = LeaseStore(fleet.client, replace(RULES, batch_floor=0.5))
    large = fleet.submit(LARGE_PX, B, priority=Priority.BATCH)
    settings = RenderSettings(prompt="a", width_px=ORDINARY_PX, height_px=ORDINARY_PX)
    rounds = cost_of(large.spec.settings).dit / cost_of(settings).dit
    for number in range(int(rounds) + 2):
        for _ in range(num_small + 1):
            fleet.submit(ORDINARY_PX, A)
        for _ in range(num_small):
            assert fleet.finished(SMALL).tenant == A
        if fleet.finished(LARGE).tenant == B:
            assert number >= int(rounds) - 1  # the work of small workers gives no credit
            return
    pytest.fail("the large render starves")


def test_a_job_says_that_it_is_too_large_for_all_live_workers(fleet: Fleet) -> None:
    fleet.beat("ar", LARGE, Stage.AR)
    fleet.beat("d1", SMALL)
    picture, edit = fleet.submit(LARGE_PX), fleet.submit(ORDINARY_PX, B, condition_px=2048)
    fleet.submit(ORDINARY_PX)

    def reason(job: Job) -> str | None:
        place = fleet.pace.place(fleet.jobs.job(job.job_id, job.spec.tenant))
        return place.reason if place else None

    assert reason(picture) == "no live worker can render 2048x2048: the largest is 1024x1024"
    assert "1 condition image" in str(reason(edit))
    waiting = fleet.submit(LARGE_PX, stage=Stage.AR)
    assert reason(waiting) == reason(picture)
    fleet.beat("d2", MEDIUM)
    assert (reason(picture), reason(waiting)) == ("", "")
    assert "1024x1024 pixels in all" in str(reason(edit))
    fleet.beat("d3", LARGE)
    assert reason(edit) == ""


def test_a_job_of_a_revision_without_workers_is_not_called_too_large(fleet: Fleet) -> None:
    fleet.beat("other", SMALL, revision=Revision("other"))
    job = fleet.submit(LARGE_PX)
    place = fleet.pace.place(fleet.jobs.job(job.job_id, A))
    assert place
    assert (place.unserved, place.reason) == ((Stage.DIT,), "")


def test_what_is_too_large_is_counted_and_wants_no_workers(fleet: Fleet) -> None:
    rules = ScalingRules(target_wait_s=60, prior_ready_limit_min=16)
    fleet.submit(LARGE_PX, n=3)
    fleet.submit(LARGE_PX, stage=Stage.AR, n=2)
    none_lives = fleet.pace.loads()
    assert (dict(none_lives[Stage.DIT].too_large), none_lives[Stage.DIT].largest) == ({}, None)
    fleet.beat("d", SMALL), fleet.beat("ar", LARGE, Stage.AR)
    loads = fleet.pace.loads()
    assert dict(loads[Stage.DIT].too_large) == {"2048x2048": 5}
    assert dict(loads[Stage.AR].too_large) == {}
    assert (loads[Stage.DIT].largest, loads[Stage.AR].largest) == ("1024x1024", "2048x2048")
    assert (loads[Stage.DIT].open.renders, loads[Stage.AR].open.renders) == (0, 0)
    assert wanted_workers(loads, rules)[Stage.DIT] == 0
    fleet.beat("d2", MEDIUM)
    loads = fleet.pace.loads()
    assert (dict(loads[Stage.DIT].too_large), loads[Stage.DIT].open.renders) == ({}, 3)


def test_ar_begins_no_render_that_no_live_dit_worker_can_finish(fleet: Fleet) -> None:
    large, small = fleet.submit(LARGE_PX, stage=Stage.AR), fleet.submit(ORDINARY_PX, stage=Stage.AR)
    fleet.beat("d", SMALL)
    assert fleet.claimed(LARGE, Stage.AR) == small.job_id
    assert fleet.claimed(LARGE, Stage.AR) is None
    fleet.beat("d2", LARGE)
    assert fleet.claimed(LARGE, Stage.AR) == large.job_id


@pytest.mark.parametrize("num_tenants", [1, 70])
def test_tenants_with_renders_that_nobody_can_finish_do_not_stop_ar_for_others(fleet: Fleet, num_tenants: int) -> None:
    fleet.beat("ar", LARGE, Stage.AR)
    fleet.beat("small", SMALL)
    for number in range(num_tenants):
        tenant = TenantId(f"0{number}")  # before the others, also among those that joined in the same millisecond
        for side_px in (1536, LARGE_PX):
            fleet.submit(side_px, tenant, Stage.AR)
    ordinary = [fleet.submit(ORDINARY_PX, tenant, Stage.AR).job_id for tenant in (A, B)]
    assert [fleet.claimed(LARGE, Stage.AR) for _ in range(3)] == [*ordinary, None]
    fleet.beat("large", LARGE)
    assert fleet.claimed(LARGE, Stage.AR)


def test_large_renders_that_wait_for_the_dit_do_not_stop_ar_for_small_ones(fleet: Fleet) -> None:
    fleet.beat("d", SMALL), fleet.beat("d2", LARGE)
    for _ in range(40):
        fleet.submit(LARGE_PX, stage=Stage.AR)
    small = fleet.submit(ORDINARY_PX, stage=Stage.AR)
    done = list[JobId]()
    while claim := fleet.claim(LARGE, Stage.AR):
        fleet.leases.finish_prior(claim.lease, a_prior())
        done.append(claim.job_id)
    assert small.job_id in done
    assert len(done) == 1 + RULES.prior_ready_limit_min // 2  # one of two DiT slots can render the large ones


def test_a_stage_whose_free_workers_are_too_small_is_not_stalled(fleet: Fleet) -> None:
    upkeep = UpkeepStore(fleet.client)
    fleet.beat("d", SMALL)
    fleet.submit(LARGE_PX)
    for _ in range(2):
        assert not upkeep.look_for_stalls(16, 0.0)[Stage.DIT].is_stalled
    fleet.beat("d2", LARGE)
    upkeep.look_for_stalls(16, 0.0)
    assert upkeep.look_for_stalls(16, 0.0)[Stage.DIT].is_stalled


def test_a_busy_worker_leaves_a_large_render_only_to_a_worker_that_can_render_it(fleet: Fleet) -> None:
    def opened(name: str, sizes: Sizes) -> None:
        fleet.beat(name, sizes)
        assert fleet.leases.claim(Stage.DIT, REVISION, WorkerId(name), sizes=sizes) is None

    opened("idle", SMALL)
    fleet.submit(LARGE_PX)
    ahead = Vacancy(Room.AHEAD)
    claim = fleet.claim(LARGE, place=ahead)
    assert claim
    fleet.leases.finish_picture(claim.lease, a_picture())
    opened("idle2", LARGE)
    fleet.submit(LARGE_PX)
    assert fleet.claim(LARGE, place=ahead) is None


def test_a_job_of_no_revision_keeps_its_size_when_a_worker_claims_it(fleet: Fleet) -> None:
    job = fleet.submit(LARGE_PX, stage=Stage.AR, n=2)
    assert fleet.claim(SMALL, Stage.AR) is None
    claim = fleet.claim(MEDIUM, Stage.AR)
    assert claim
    assert claim.job_id == job.job_id
    assert fleet.client.hget(f"gridpress:job:{job.job_id}", "lane") == f"interactive|a|{REVISION}|2048"
    assert fleet.claim(SMALL, Stage.AR) is None
    assert fleet.claim(MEDIUM, Stage.AR)


def test_a_job_that_moves_to_another_revision_keeps_its_size(fleet: Fleet) -> None:
    fleet.beat("old", LARGE, Stage.AR, Revision("old"))
    fleet.submit(LARGE_PX, stage=Stage.AR)
    fleet.leases.leave(Announcement(WorkerId("old"), Queue.AR, 1, Revision("old")))
    fleet.beat("new", SMALL, Stage.AR)
    assert UpkeepStore(fleet.client).reroute() == 1
    assert fleet.claim(SMALL, Stage.AR) is None
    assert fleet.claim(MEDIUM, Stage.AR)


def test_a_cancelled_large_render_leaves_nothing_behind(fleet: Fleet) -> None:
    job = fleet.submit(LARGE_PX, stage=Stage.AR, n=2)
    fleet.jobs.cancel(job.job_id, A)
    assert fleet.claim(LARGE, Stage.AR) is None
    assert not fleet.client.keys("gridpress:shares:*")
    assert not fleet.client.keys("gridpress:waiting:*")
    assert not fleet.client.hgetall("gridpress:cost:ar")
