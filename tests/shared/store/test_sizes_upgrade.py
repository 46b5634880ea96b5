"""Jobs and workers of an earlier release, which knows no size classes, beside those of this one."""

from collections.abc import Callable

import pytest

from shared.ids import JobId, TenantId
from shared.jobs.job import Job
from shared.jobs.leases import Room, Vacancy
from shared.jobs.spec import Priority
from shared.jobs.states import Stage
from shared.schedule.sizes import size_class
from shared.store.core.connect import Client
from shared.store.faults.dead_letters import DeadLetterStore
from shared.store.queues.upkeep import UpkeepStore
from tests.shared.store.builders import REVISION, a_prior
from tests.shared.store.sizes_fleet import LARGE, LARGE_PX, ORDINARY_PX, SMALL, A, B, Fleet


@pytest.fixture
def fleet(client: Client) -> Fleet:
    return Fleet(client)


@pytest.mark.parametrize("stage", Stage)
def test_a_small_worker_passes_large_renders_of_an_earlier_release(fleet: Fleet, stage: Stage) -> None:
    fleet.beat("ar", LARGE, Stage.AR), fleet.beat("dit", LARGE)
    old = fleet.submit_to_earlier_release(LARGE_PX, A, stage, n=2)
    edit = fleet.submit_to_earlier_release(ORDINARY_PX, B, stage, condition_px=2048)
    ordinary = [fleet.submit(ORDINARY_PX, tenant, stage).job_id for tenant in (A, B)]
    assert [fleet.claimed(SMALL, stage) for _ in range(3)] == [*ordinary, None]
    assert [fleet.claimed(LARGE, stage) for _ in range(4)].count(old.job_id) == 2
    assert {fleet.lane_of(job) for job in (old, edit)} == {
        f"interactive|a|{REVISION}|2048",
        f"interactive|b|{REVISION}|1024+2048",
    }


def test_the_lane_of_an_old_job_is_that_of_a_new_one(fleet: Fleet) -> None:
    """Of every kind of size. The store and `size_class` agree."""
    sizes = [(256, 0), (1024, 0), (1056, 0), (1536, 0), (2048, 0), (512, 1024), (512, 1056), (1536, 512), (2048, 8192)]
    jobs = [fleet.submit_to_earlier_release(side_px, TenantId(f"t{side_px}"), condition_px=px) for side_px, px in sizes]
    assert len([fleet.claim(LARGE) for _ in jobs]) == len(jobs)
    for job in jobs:
        lane = f"interactive|{job.spec.tenant}|{REVISION}"
        assert fleet.lane_of(job) == "|".join(filter(None, [lane, size_class(job.spec.settings).name]))


def test_all_waiting_renders_of_an_old_job_move_with_their_costs(fleet: Fleet) -> None:
    """One waits for the DiT, one is in quarantine, and two wait for AR."""
    job = fleet.submit_to_earlier_release(LARGE_PX, A, Stage.AR, n=4)
    fleet.client.hset(f"gridpress:job:{job.job_id}", "size", "")  # as long as no worker of this release claims
    claim = fleet.claim(LARGE, Stage.AR)
    assert claim
    fleet.leases.finish_prior(claim.lease, a_prior())
    suspect = job.renders[2].render_id
    fleet.client.hset(f"gridpress:render:{suspect}", "group", "g")
    fleet.client.zrem(f"gridpress:waiting:ar:{fleet.lane_of(job)}", suspect)
    fleet.client.zadd("gridpress:quarantine:ar", {suspect: 1})
    fleet.client.hdel(f"gridpress:job:{job.job_id}", "size")

    assert [fleet.claimed(SMALL, stage) for stage in Stage] == [None, None]
    lane = f"interactive|a|{REVISION}|2048"
    for stage, num in ((Stage.AR, 2), (Stage.DIT, 1)):
        assert fleet.client.smembers(f"gridpress:lanes:{stage}") == {lane}
        assert fleet.client.zcard(f"gridpress:waiting:{stage}:{lane}") == num
        assert list(fleet.client.hgetall(f"gridpress:cost:{stage}")) == [lane]
    ahead = {f"interactive|{REVISION}|2048": "1", f"interactive|{REVISION}": "0"}
    assert fleet.client.hgetall("gridpress:ahead") == ahead
    assert fleet.client.zrange("gridpress:quarantine:ar", 0, -1) == [suspect]
    fleet.jobs.cancel(job.job_id, A)
    assert not fleet.client.keys("gridpress:cost:*")
    assert UpkeepStore(fleet.client).heal_shares() == 0
    assert not fleet.client.exists("gridpress:ahead")


def test_a_small_worker_runs_no_large_suspect_of_an_earlier_release(fleet: Fleet) -> None:
    fleet.beat("w", SMALL)
    job = fleet.submit_to_earlier_release(LARGE_PX)
    suspect = job.renders[0].render_id
    fleet.client.hset(f"gridpress:render:{suspect}", "group", "g")
    fleet.client.zrem(f"gridpress:waiting:dit:{fleet.lane_of(job)}|again", suspect)
    fleet.client.zadd("gridpress:quarantine:dit", {suspect: 1})
    assert fleet.claim(SMALL) is None
    assert fleet.claimed(LARGE) == job.job_id


def retried(fleet: Fleet, job: Job) -> None:
    fleet.jobs.retry(fleet.jobs.job(job.job_id, A), None)


def requeued(fleet: Fleet, job: Job) -> None:
    render = job.renders[0].render_id
    fleet.client.zadd(f"gridpress:dead:{A}", {render: 0})
    DeadLetterStore(fleet.client).requeue(render, A)


@pytest.mark.parametrize("again", [retried, requeued])
@pytest.mark.parametrize("side_px", [ORDINARY_PX, 1536, LARGE_PX])
def test_a_job_of_an_earlier_release_is_retried_in_the_lane_of_its_size(
    fleet: Fleet, again: Callable[[Fleet, Job], None], side_px: int
) -> None:
    job = fleet.submit_to_earlier_release(side_px, A, Stage.AR)
    fleet.client.hset(f"gridpress:job:{job.job_id}", "size", "")
    claim = fleet.claim(SMALL, Stage.AR)
    assert claim
    fleet.leases.fail(claim.lease, {"code": "out_of_memory", "message": "m"})
    fleet.client.hdel(f"gridpress:job:{job.job_id}", "size")
    again(fleet, job)
    name = size_class(job.spec.settings).name
    assert [key.endswith(f"{REVISION}|{name}".rstrip("|")) for key in fleet.client.keys("gridpress:waiting:ar:*")] == [
        True
    ]
    assert (fleet.claimed(SMALL, Stage.AR) is None) is bool(name)


def test_a_long_queue_of_old_renders_is_put_right_in_a_few_claims(fleet: Fleet) -> None:
    for number in range(9):
        fleet.submit_to_earlier_release(LARGE_PX, A, Stage.AR, n=16, priority=list(Priority)[number % 2])
    ordinary = fleet.submit(ORDINARY_PX, A, Stage.AR, Priority.BATCH)
    found: list[JobId | None] = []
    while None in (*found, None) and len(found) < 4:
        found.append(fleet.claimed(SMALL, Stage.AR))
    assert found.count(ordinary.job_id) == 1
    assert fleet.client.zcard("gridpress:waiting:ar:interactive|a||2048") == 5 * 16


@pytest.mark.parametrize(
    "settings", ["{", '{"settings": 1}', '{"settings": {"width_px": 9, "height_px": 9, "image_sizes": [1]}}']
)
def test_an_old_job_with_a_broken_spec_stops_nobody(fleet: Fleet, settings: str) -> None:
    broken, good = fleet.submit_to_earlier_release(LARGE_PX), fleet.submit(ORDINARY_PX)
    fleet.client.hset(f"gridpress:job:{broken.job_id}", "spec", settings)
    assert fleet.claimed(SMALL) == good.job_id


def test_a_worker_that_announced_no_sizes_can_render_the_ordinary_ones(fleet: Fleet) -> None:
    """An earlier release claims from no lane of a larger size. So jobs say why they wait."""
    fleet.beat("ar", LARGE, Stage.AR), fleet.beat("old", LARGE)
    fleet.client.delete("gridpress:sizes:dit")
    large, small = fleet.submit(LARGE_PX), fleet.submit(ORDINARY_PX, B)
    in_ar = fleet.submit(LARGE_PX, stage=Stage.AR)

    def reason(job: Job) -> str | None:
        place = fleet.pace.place(fleet.jobs.job(job.job_id, job.spec.tenant))
        return place.reason if place else None

    words = "no live worker can render 2048x2048: the largest is 1024x1024"
    assert [reason(job) for job in (large, in_ar, small)] == [words, words, ""]
    load = fleet.pace.loads()[Stage.DIT]
    assert (dict(load.too_large), load.largest, load.open.renders) == ({"2048x2048": 2}, "1024x1024", 1)
    assert fleet.claim(LARGE, Stage.AR) is None


def test_a_stage_of_an_earlier_release_is_not_stalled_by_large_renders(fleet: Fleet) -> None:
    fleet.beat("old", LARGE)
    fleet.client.delete("gridpress:sizes:dit")
    fleet.submit(LARGE_PX)
    upkeep = UpkeepStore(fleet.client)
    upkeep.look_for_stalls(16, 0.0)
    assert not upkeep.look_for_stalls(16, 0.0)[Stage.DIT].is_stalled


def test_a_busy_worker_leaves_no_large_render_to_an_idle_one_of_an_earlier_release(fleet: Fleet) -> None:
    fleet.open("old", LARGE)
    fleet.client.delete("gridpress:sizes:dit")
    job = fleet.submit(LARGE_PX)
    claim = fleet.claim(LARGE, place=Vacancy(Room.AHEAD))
    assert claim
    assert claim.job_id == job.job_id
