"""How idle workers of several sizes are found: for hints, and by busy workers that leave renders to them."""

import pytest

from shared.hints.message import HintMessage
from shared.hints.queues import Queue, celery_list
from shared.ids import TenantId
from shared.jobs.leases import Room, Vacancy
from shared.jobs.spec import Priority
from shared.schedule.sizes import Sizes
from shared.store.core.connect import Client
from shared.store.queues.upkeep import UpkeepStore
from tests.shared.store.builders import REVISION
from tests.shared.store.commands import num_commands
from tests.shared.store.sizes_fleet import LARGE, LARGE_PX, MEDIUM, ORDINARY_PX, SMALL, Fleet

HINT = HintMessage(Queue.DIT, '{"id": "HINT_ID"}')
LARGE_LANES = f"interactive|{{tenant}}|{REVISION}|2048"


@pytest.fixture
def fleet(client: Client) -> Fleet:
    return Fleet(client)


def open_many(fleet: Fleet, num: int) -> None:
    """Adds small workers that were open after all others, as their heartbeats do."""
    names = [f"idle{number}" for number in range(num)]
    for key in ("open:dit:interactive", "open:dit:batch", "workers:dit", "asking:dit"):
        fleet.client.zadd(f"gridpress:{key}", dict.fromkeys(names, 10**13 - 1))
    for key, value in (("sizes", SMALL.text), ("serves", REVISION), ("slots", "1")):
        fleet.client.hset(f"gridpress:{key}:dit", mapping=dict.fromkeys(names, value))


@pytest.mark.parametrize("num_small", [3, 16, 40])
@pytest.mark.parametrize("sizes", [LARGE, MEDIUM], ids=["large", "medium"])
def test_a_large_idle_worker_is_hinted_beside_many_small_ones(fleet: Fleet, num_small: int, sizes: Sizes) -> None:
    upkeep = UpkeepStore(fleet.client)
    open_many(fleet, num_small)
    fleet.submit(LARGE_PX)
    assert upkeep.send_hints(HINT, 1) == 0
    fleet.beat("large", sizes)
    for key in ("open:dit:interactive", "open:dit:batch", "asking:dit"):
        fleet.client.zadd(f"gridpress:{key}", {"large": 10**13 - 2})
    assert upkeep.send_hints(HINT, 1) == 1


def test_a_busy_worker_leaves_a_large_render_to_an_idle_one_behind_many_small_ones(fleet: Fleet) -> None:
    fleet.open("large", LARGE)
    open_many(fleet, 40)
    fleet.submit(LARGE_PX)
    assert fleet.claim(LARGE, place=Vacancy(Room.AHEAD)) is None


def test_looking_for_a_large_idle_worker_takes_as_many_commands_beside_many_small_ones(fleet: Fleet) -> None:
    def commands_of_a_submission() -> int:
        return num_commands(fleet.client, lambda: UpkeepStore(fleet.client).send_hints(HINT, 1))

    fleet.submit(LARGE_PX)
    open_many(fleet, 20)
    commands_of_a_submission()
    few = commands_of_a_submission()
    open_many(fleet, 900)
    assert commands_of_a_submission() <= few + 2


def many_lanes(fleet: Fleet, num: int, name: str) -> None:
    """Adds lanes of many tenants, each with a waiting render that nobody claims."""
    for number in range(num):
        lane = name.format(tenant=f"t{number}")
        fleet.client.sadd("gridpress:lanes:dit", lane)
        fleet.client.zadd(f"gridpress:waiting:dit:{lane}", {"r": 1})


@pytest.mark.parametrize("name", [LARGE_LANES, LARGE_LANES.replace("interactive", "batch")])
def test_large_renders_of_many_tenants_cost_a_look_for_idle_small_workers_nothing(fleet: Fleet, name: str) -> None:
    def commands_of_a_look() -> int:
        return num_commands(fleet.client, lambda: UpkeepStore(fleet.client).send_hints(HINT, 1))

    open_many(fleet, 20)
    many_lanes(fleet, 200, name)
    commands_of_a_look()
    few = commands_of_a_look()
    many_lanes(fleet, 1000, name)
    assert commands_of_a_look() <= few + 8


@pytest.mark.parametrize("priority", Priority)
def test_a_small_worker_is_hinted_behind_large_renders_of_many_tenants(fleet: Fleet, priority: Priority) -> None:
    upkeep = UpkeepStore(fleet.client)
    many_lanes(fleet, 700, f"{priority}|{{tenant}}|{REVISION}|2048")
    open_many(fleet, 20)
    assert upkeep.send_hints(HINT, 1) == 0
    jobs = [fleet.submit(ORDINARY_PX, TenantId(f"s{number}"), priority=priority) for number in range(3)]
    for job in jobs:  # the lanes may be the last ones that a look would meet
        assert upkeep.send_hints(HINT, 1) == 1
        fleet.client.delete(celery_list(Queue.DIT))
        fleet.jobs.cancel(job.job_id, job.spec.tenant)


def test_workers_that_are_open_for_all_classes_are_read_once(fleet: Fleet) -> None:
    def commands_of_a_look() -> int:
        return num_commands(fleet.client, lambda: UpkeepStore(fleet.client).send_hints(HINT, 1))

    open_many(fleet, 20)
    fleet.submit(LARGE_PX)
    commands_of_a_look()
    of_one_class = commands_of_a_look()
    fleet.submit(LARGE_PX, priority=Priority.BATCH)
    assert commands_of_a_look() == of_one_class


@pytest.mark.parametrize("side_px", [1536, LARGE_PX])
def test_a_busy_workers_claim_reads_what_idle_workers_serve_with_few_commands(fleet: Fleet, side_px: int) -> None:
    def commands_of_a_claim() -> int:
        fleet.client.hset("gridpress:serves:dit", mapping=dict.fromkeys(names, "another"))
        return num_commands(fleet.client, lambda: fleet.claim(LARGE, place=Vacancy(Room.BEYOND, Priority.INTERACTIVE)))

    for _ in range(6):
        fleet.submit(side_px)
    names = [f"idle{number}" for number in range(40)]
    open_many(fleet, 40)
    fleet.client.hset("gridpress:sizes:dit", mapping=dict.fromkeys(names, "*"))
    commands_of_a_claim()
    few = commands_of_a_claim()
    names += [f"idle{number}" for number in range(40, 400)]
    open_many(fleet, 400)
    fleet.client.hset("gridpress:sizes:dit", mapping=dict.fromkeys(names, "*"))
    assert commands_of_a_claim() <= few + 2
