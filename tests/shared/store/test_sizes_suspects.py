"""Suspects of a crash among workers of several sizes: they take no worker from the renders that only it can run."""

import pytest

from shared.ids import JobId, Revision, WorkerId
from shared.jobs.states import Stage
from shared.schedule.sizes import Sizes
from shared.store.core.connect import Client
from tests.shared.store.builders import REVISION
from tests.shared.store.clocks import StoreClock
from tests.shared.store.sizes_fleet import LARGE, LARGE_PX, MEDIUM, ORDINARY_PX, SMALL, A, B, Fleet

SMALL_NAMES = [f"s{number}" for number in range(9)]
PATIENCE_S = 1.001


@pytest.fixture
def clock(client: Client, still_clock: None) -> StoreClock:
    return StoreClock(client)


@pytest.fixture
def fleet(client: Client, clock: StoreClock) -> Fleet:
    """Nine small workers. Tests add "w", which claims."""
    fleet = Fleet(client)
    for name in SMALL_NAMES:
        fleet.beat(name, SMALL)
    return fleet


def suspected(fleet: Fleet, side_px: int) -> JobId:
    """Returns a job whose render waits as a suspect, in a group of its own."""
    job = fleet.submit(side_px, A)
    render = job.renders[0].render_id
    fleet.client.zrem(f"gridpress:waiting:dit:{fleet.lane_of(job)}|again", render)
    fleet.client.hset(f"gridpress:render:{render}", "group", render)
    fleet.client.zadd("gridpress:quarantine:dit", {render: 1})
    return job.job_id


def served(fleet: Fleet, sizes: Sizes, num: int) -> list[JobId]:
    return [fleet.finished(sizes).job_id for _ in range(num)]


@pytest.mark.parametrize("suspects_px", [LARGE_PX, 1536, ORDINARY_PX])
@pytest.mark.parametrize("sizes", [LARGE, MEDIUM], ids=["large", "medium"])
def test_suspects_and_other_renders_take_turns_at_the_only_large_worker(
    fleet: Fleet, clock: StoreClock, sizes: Sizes, suspects_px: int
) -> None:
    fleet.beat("w", sizes)
    suspects = {suspected(fleet, suspects_px) for _ in range(3)}
    others = {fleet.submit(LARGE_PX, B).job_id for _ in range(4)}
    assert set(served(fleet, sizes, 1)) < suspects
    assert set(served(fleet, sizes, 2)) < others
    clock.advance(PATIENCE_S)
    assert set(served(fleet, sizes, 1)) < suspects
    assert set(served(fleet, sizes, 2)) < others


@pytest.mark.parametrize("revision", [REVISION, Revision("another")], ids=["this revision", "another revision"])
def test_a_second_large_worker_of_the_revision_frees_the_first_one_for_suspects(
    fleet: Fleet, revision: Revision
) -> None:
    fleet.beat("w", LARGE), fleet.beat("w2", LARGE, revision=revision)
    suspects = {suspected(fleet, LARGE_PX) for _ in range(3)}
    for _ in range(3):
        fleet.submit(LARGE_PX, B)
    assert (set(served(fleet, LARGE, 3)) == suspects) is (revision == REVISION)


def test_a_large_worker_takes_over_no_drain_of_a_small_one(fleet: Fleet, clock: StoreClock) -> None:
    fleet.beat("w", LARGE)
    fleet.client.hset("gridpress:turn:dit", "s0", 0)
    fleet.client.set("gridpress:turn_ended:dit", clock.now_ms())
    suspected(fleet, ORDINARY_PX)
    other = fleet.submit(LARGE_PX, B)
    assert fleet.claimed(LARGE) == other.job_id


def test_turns_of_small_workers_keep_no_large_suspect_waiting(fleet: Fleet) -> None:
    fleet.beat("w", LARGE)
    for _ in SMALL_NAMES:
        suspected(fleet, ORDINARY_PX)
    claims = [fleet.leases.claim(Stage.DIT, REVISION, WorkerId(name), sizes=SMALL) for name in SMALL_NAMES]
    assert sum(claim is not None for claim in claims) == (len(SMALL_NAMES) + 1) // 2
    fleet.client.delete("gridpress:quarantine:dit")
    suspect = suspected(fleet, LARGE_PX)
    assert fleet.claimed(LARGE) == suspect
