"""What waits of larger sizes, and is counted: for AR's limit, for hints, for autoscaling, and for the shares."""

import pytest

from shared.hints.message import HintMessage
from shared.hints.queues import Queue
from shared.ids import JobId, WorkerId
from shared.jobs.job import Job
from shared.jobs.spec import RenderSettings
from shared.jobs.states import Stage
from shared.schedule.cost import cost_of
from shared.schedule.sizes import ANY_SIZE, Sizes
from shared.store.core.connect import Client
from shared.store.queues.upkeep import UpkeepStore
from shared.store.renders.leases import Announcement
from tests.shared.store.builders import REVISION, RULES, a_prior
from tests.shared.store.commands import num_commands
from tests.shared.store.sizes_fleet import LARGE, LARGE_PX, MEDIUM, ORDINARY_PX, SMALL, A, B, Fleet

LIMIT = RULES.prior_ready_limit_min
HINT = HintMessage(Queue.DIT, '{"id": "HINT_ID"}')
EDITS_PX = [2048, 3072, 4096, 5824, 8192]


@pytest.fixture
def fleet(client: Client) -> Fleet:
    return Fleet(client)


def made_ahead(fleet: Fleet, most: int = 10 * LIMIT) -> list[JobId]:
    """Returns the jobs of the token grids that AR makes until it makes no more."""
    done = list[JobId]()
    while len(done) < most and (claim := fleet.claim(LARGE, Stage.AR)):
        fleet.leases.finish_prior(claim.lease, a_prior())
        done.append(claim.job_id)
    return done


def test_one_limit_holds_for_the_grids_of_all_sizes(fleet: Fleet) -> None:
    fleet.beat("ar", LARGE, Stage.AR), fleet.beat("d", LARGE)
    for _ in range(LIMIT // 2):
        for px in EDITS_PX:
            fleet.submit(ORDINARY_PX, A, Stage.AR, condition_px=px)
        fleet.submit(ORDINARY_PX, A, Stage.AR)
    done = made_ahead(fleet)
    assert LIMIT <= len(done) <= LIMIT + len(EDITS_PX)  # one of each size, also when the limit is reached
    assert fleet.pace.loads()[Stage.AR].ahead == len(done)
    other = fleet.submit(LARGE_PX, B, Stage.AR)
    assert made_ahead(fleet) == [other.job_id]  # another tenant never waits for these


@pytest.mark.parametrize(("num_small", "num_large"), [(1, 1), (3, 1), (1, 3)])
def test_grids_for_a_few_large_workers_leave_room_for_those_of_small_ones(
    fleet: Fleet, num_small: int, num_large: int
) -> None:
    for number in range(num_small):
        fleet.beat(f"s{number}", SMALL)
    for number in range(num_large):
        fleet.beat(f"l{number}", LARGE)
    for _ in range(LIMIT):
        fleet.submit(LARGE_PX, A, Stage.AR), fleet.submit(1536, A, Stage.AR)
    share = LIMIT * num_large // (num_small + num_large)
    assert share <= len(made_ahead(fleet)) <= share + 1
    ordinary = [fleet.submit(ORDINARY_PX, B, Stage.AR).job_id for _ in range(LIMIT)]
    assert len(set(ordinary) & set(made_ahead(fleet))) in (LIMIT - share, LIMIT - share - 1)


def test_grids_that_no_live_worker_can_render_take_no_room(fleet: Fleet) -> None:
    fleet.beat("large", LARGE)
    for _ in range(LIMIT + 4):
        fleet.submit(LARGE_PX, A, Stage.AR)
    assert len(made_ahead(fleet)) == LIMIT
    fleet.leases.leave(Announcement(WorkerId("large"), Queue.DIT, 1, REVISION))
    fleet.beat("small", SMALL)
    ordinary = [fleet.submit(ORDINARY_PX, A, Stage.AR).job_id for _ in range(LIMIT + 4)]
    assert made_ahead(fleet) == ordinary[:LIMIT]
    assert fleet.pace.loads()[Stage.AR].ahead == LIMIT
    fleet.beat("large", LARGE)
    assert fleet.pace.loads()[Stage.AR].ahead == 2 * LIMIT


@pytest.mark.parametrize("num_waiting", [1, LIMIT // 2])
def test_grids_that_no_live_worker_can_render_take_no_room_of_smaller_ones(fleet: Fleet, num_waiting: int) -> None:
    """Although few grids wait: the limit of larger sizes is a part of the limit."""
    fleet.beat("medium", MEDIUM), fleet.beat("large", LARGE)
    for number in range(3):
        fleet.beat(f"small{number}", SMALL)
    for _ in range(num_waiting):
        fleet.submit(LARGE_PX, A, Stage.AR, condition_px=8192)
    assert len(made_ahead(fleet)) == min(num_waiting, LIMIT // 5 + 1)
    fleet.leases.leave(Announcement(WorkerId("large"), Queue.DIT, 1, REVISION))
    for _ in range(LIMIT):
        fleet.submit(LARGE_PX, A, Stage.AR)
    assert len(made_ahead(fleet)) == LIMIT // 4


def test_ar_reads_the_dit_workers_once_in_a_claim_however_many_sizes_wait(fleet: Fleet) -> None:
    fleet.beat("ar", LARGE, Stage.AR), fleet.beat("d", MEDIUM)

    def commands_of_a_claim() -> int:
        fleet.submit(ORDINARY_PX, A, Stage.AR)
        return num_commands(fleet.client, lambda: fleet.claim(LARGE, Stage.AR))

    fleet.submit(ORDINARY_PX, B, Stage.AR, condition_px=EDITS_PX[0])
    commands_of_a_claim()  # loads the scripts
    of_one = commands_of_a_claim()
    for px in EDITS_PX:
        fleet.submit(LARGE_PX, B, Stage.AR, condition_px=px)
    assert commands_of_a_claim() <= of_one + len(EDITS_PX)  # the members of each size, and not its workers


def suspected(fleet: Fleet, side_px: int) -> Job:
    """Returns a job whose render is a waiting suspect."""
    job = fleet.submit(side_px)
    (lane,) = fleet.client.smembers("gridpress:lanes:dit")
    render = job.renders[0].render_id
    fleet.client.hset(f"gridpress:render:{render}", "group", render)
    fleet.client.delete(f"gridpress:waiting:dit:{lane}", "gridpress:lanes:dit")
    fleet.client.zadd("gridpress:quarantine:dit", {render: 1})
    return job


@pytest.mark.parametrize("side_px", [1536, LARGE_PX])
def test_a_suspect_counts_only_for_workers_that_can_render_it(fleet: Fleet, side_px: int) -> None:
    upkeep = UpkeepStore(fleet.client)
    fleet.open("small", SMALL)
    suspected(fleet, side_px)
    assert upkeep.send_hints(HINT, 1) == 0
    load = fleet.pace.loads()[Stage.DIT]
    assert (load.open.renders, dict(load.too_large)) == (0, {f"{side_px}x{side_px}": 1})
    fleet.beat("medium", MEDIUM)
    load = fleet.pace.loads()[Stage.DIT]
    assert (load.open.renders, dict(load.too_large), load.waiting) == (1, {}, 1)
    for key in ("open:dit:interactive", "open:dit:batch", "asking:dit"):
        fleet.client.zadd(f"gridpress:{key}", {"medium": 10**13})
    assert upkeep.send_hints(HINT, 1) == 1


def test_a_suspect_of_ordinary_size_counts_for_every_worker(fleet: Fleet) -> None:
    fleet.open("small", SMALL)
    suspected(fleet, ORDINARY_PX)
    assert UpkeepStore(fleet.client).send_hints(HINT, 1) == 1
    assert fleet.pace.loads()[Stage.DIT].open.renders == 1


def test_a_hand_back_returns_its_cost_also_when_the_tenant_left_that_pool(fleet: Fleet) -> None:
    fleet.submit(ORDINARY_PX, A), fleet.submit(LARGE_PX, A)
    for _ in range(4):
        fleet.submit(ORDINARY_PX, B)
    claim = fleet.claim(SMALL)
    assert claim
    assert claim.tenant == A
    for _ in range(2):
        fleet.finished(SMALL)
    assert len(fleet.client.hgetall(f"gridpress:since:dit:interactive|{REVISION}")) == 1  # A has left it
    assert fleet.claimed(LARGE)
    fleet.leases.hand_back(claim.lease)
    large = cost_of(RenderSettings(prompt="a", width_px=LARGE_PX, height_px=LARGE_PX)).dit
    tags = {
        member.partition("|")[2]: tag
        for member, tag in fleet.client.zrange(f"gridpress:shares:dit:interactive|{REVISION}", 0, -1, withscores=True)
    }
    assert tags[A] == large


@pytest.mark.parametrize("name", ["4096", "4096+8192", "3072+12000", "a-later-form"])
def test_jobs_and_workers_of_sizes_of_a_later_release_are_shown(fleet: Fleet, name: str) -> None:
    fleet.beat("d", Sizes(frozenset({"1536"})))
    job = fleet.submit(LARGE_PX)
    lane = fleet.lane_of(job)
    later = lane.replace("2048", name)
    fleet.client.hset(f"gridpress:job:{job.job_id}", "lane", later)
    fleet.client.rename(f"gridpress:waiting:dit:{lane}|again", f"gridpress:waiting:dit:{later}|again")
    fleet.client.srem("gridpress:lanes:dit", f"{lane}|again")
    fleet.client.sadd("gridpress:lanes:dit", f"{later}|again")
    fleet.client.hset("gridpress:sizes:dit", "d", f"1536,{name}")
    assert fleet.pace.place(fleet.jobs.job(job.job_id, A))
    assert fleet.pace.loads()[Stage.DIT].largest == "1536x1536"
    fleet.client.hset("gridpress:sizes:dit", "d", "1536")
    assert sum(fleet.pace.loads()[Stage.DIT].too_large.values()) == 1
    fleet.beat("d2", ANY_SIZE)
    assert fleet.pace.place(fleet.jobs.job(job.job_id, A))
