"""What a busy worker may claim beside what it computes, and for whom hints are sent: over the real store."""

from dataclasses import replace

import pytest

from shared.celery_app import make_celery
from shared.hints.queues import Queue, celery_list
from shared.ids import Revision, WorkerId
from shared.jobs.leases import Room, Vacancy
from shared.jobs.spec import Priority
from shared.jobs.states import Stage
from shared.schedule.worker_health import WorkerHealth
from shared.store.core.connect import Client
from shared.store.queues.hints import Hints
from shared.store.queues.upkeep import UpkeepStore
from shared.store.renders.leases import Announcement
from tests.shared.store.builders import REVISION, submitted
from tests.shared.store.world import World

IDLE = Announcement(WorkerId("idle"), Queue.AR, 1, REVISION)
BUSY = Announcement(WorkerId("busy"), Queue.AR, 1, REVISION)
AHEAD = Vacancy(Room.AHEAD, Priority.BATCH)
BEYOND = Vacancy(Room.BEYOND, Priority.INTERACTIVE)


@pytest.fixture
def world(client: Client, still_clock: None) -> World:
    return World.of_valkey(client)


@pytest.fixture
def hints(client: Client, valkey_url: str) -> Hints:
    return Hints(make_celery(valkey_url), UpkeepStore(client))


def asks(world: World, worker: Announcement, place: Vacancy | None = None) -> bool:
    """Whether the worker, which is alive, gets a render."""
    world.leases.beat(worker, [])
    return world.leases.claim(Stage.AR, worker.revision, worker.worker_id, place or Vacancy()) is not None


def num_hints(client: Client) -> int:
    return int(client.llen(celery_list(Queue.AR)))  # type: ignore[arg-type]


def test_a_place_for_a_higher_class_takes_no_lower_one(world: World) -> None:
    submitted(world.jobs, priority=Priority.BATCH)
    assert not asks(world, BUSY, BEYOND)
    submitted(world.jobs, priority=Priority.INTERACTIVE)
    assert asks(world, BUSY, BEYOND)


@pytest.mark.parametrize("place", [AHEAD, BEYOND])
def test_what_an_idle_worker_could_begin_is_left_to_it_for_a_moment(world: World, place: Vacancy) -> None:
    assert not asks(world, IDLE)
    submitted(world.jobs)
    assert not asks(world, BUSY, place)
    world.clock.advance(2)  # it does not come: it is frozen, or cut off
    assert asks(world, BUSY, place)


def test_a_render_that_another_worker_would_pre_empt_for_is_not_prepared_ahead(world: World) -> None:
    assert not asks(world, IDLE, BEYOND)
    submitted(world.jobs, priority=Priority.INTERACTIVE)
    assert not asks(world, BUSY, AHEAD)
    assert asks(world, BUSY, BEYOND)


@pytest.mark.parametrize("change", ["none", "busy again", "draining", "gone", "of another model"])
def test_only_a_worker_that_could_begin_it_keeps_a_render_from_another(world: World, change: str) -> None:
    other = replace(IDLE, revision=Revision("other")) if change == "of another model" else IDLE
    if change != "none":
        assert not asks(world, other)
    if change == "busy again":
        submitted(world.jobs)
        assert asks(world, other)
    if change == "draining":
        world.leases.beat(other, [], signs=WorkerHealth(is_draining=True))
    if change == "gone":
        world.leases.leave(other)
    world.leases.beat(BUSY, [])  # a job is for the model of the AR worker that was heard last
    submitted(world.jobs)
    assert asks(world, BUSY, AHEAD)


def test_there_are_as_many_hints_as_workers_that_could_use_one(world: World, client: Client, hints: Hints) -> None:
    for worker in (IDLE, BUSY):
        assert not asks(world, worker)
    submitted(world.jobs, n=4)
    assert hints.top_up(Queue.AR) == 2
    assert hints.top_up(Queue.AR) == 0


def test_full_workers_are_sent_one_hint_by_upkeep_and_none_by_others(
    world: World, client: Client, hints: Hints
) -> None:
    submitted(world.jobs, n=4)
    assert asks(world, BUSY)
    hints.send_one(Queue.AR)
    assert num_hints(client) == 0
    assert hints.top_up(Queue.AR) == 1


def test_a_lower_class_wakes_no_worker_that_would_take_a_higher_one_alone(
    world: World, client: Client, hints: Hints
) -> None:
    assert not asks(world, BUSY, BEYOND)
    submitted(world.jobs, priority=Priority.BATCH)
    hints.send_one(Queue.AR)
    assert num_hints(client) == 0
    submitted(world.jobs, priority=Priority.INTERACTIVE)
    hints.send_one(Queue.AR)
    assert num_hints(client) == 1
