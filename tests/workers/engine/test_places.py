"""What workers have room for, on a virtual clock: nothing waits for a busy worker while another idles."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import count

from hypothesis import given
from hypothesis import strategies as st

from shared.jobs.leases import Room, Vacancy
from shared.jobs.spec import Priority
from workers.engine.class_turns import ClassTurns
from workers.engine.places import Places, Running, rows, turns

LEAD_S = 1
INTERACTIVE, BATCH = Priority.INTERACTIVE, Priority.BATCH
FOR_ALL, FOR_PEOPLE = Vacancy(Room.FREE, BATCH), Vacancy(Room.FREE, INTERACTIVE)


def lower(left_s: float | None = 60.0) -> Running:
    return Running(BATCH.rank, left_s)


def higher(left_s: float | None = 60.0) -> Running:
    return Running(INTERACTIVE.rank, left_s)


def test_a_free_place_is_for_every_class() -> None:
    assert turns(2).open([], LEAD_S) == [FOR_ALL]


def test_a_device_with_a_lower_class_has_a_place_beyond_for_a_higher_one_alone() -> None:
    assert turns(2).open([lower()], LEAD_S) == [Vacancy(Room.BEYOND, INTERACTIVE)]
    assert turns(2).open([lower(), higher()], LEAD_S) == []


def test_the_next_render_is_prepared_shortly_before_the_end_and_not_before() -> None:
    assert turns(2).open([higher(1.1)], LEAD_S) == []
    assert turns(2).open([higher(0.9)], LEAD_S) == [Vacancy(Room.AHEAD, BATCH)]
    assert turns(2).open([higher(0.9), higher(None)], LEAD_S) == []
    assert turns(1).open([higher(0.9)], LEAD_S) == []


def test_while_the_time_of_its_steps_is_unknown_nothing_is_prepared_ahead() -> None:
    assert turns(2).open([higher(None)], LEAD_S) == []
    assert turns(2).ahead_due_s([higher(None)], LEAD_S) is None


def test_a_pre_empted_render_is_what_comes_next_so_none_is_prepared() -> None:
    assert turns(2).open([lower(60), higher(0.5)], LEAD_S) == []


def test_of_rows_that_are_decoded_together_one_is_kept_for_the_highest_class() -> None:
    assert rows(4).open([lower()] * 2, LEAD_S) == [FOR_ALL]
    assert rows(4).open([lower()] * 3, LEAD_S) == [FOR_PEOPLE]
    assert rows(4).open([*[lower()] * 2, higher()], LEAD_S) == [FOR_ALL]
    assert rows(4).open([*[lower()] * 3, higher()], LEAD_S) == []
    assert rows(2).open([lower()], LEAD_S) == [FOR_ALL]


@dataclass
class Render:
    number: int
    rank: int
    left_s: int
    has_begun: bool = False
    waited_beside_idle_s: int = 0


@dataclass
class Worker:
    """A device that computes one second of one render at a time."""

    places: Places
    turns: ClassTurns = field(default_factory=lambda: ClassTurns(0.1))
    held: list[Render] = field(default_factory=list)

    @property
    def is_idle(self) -> bool:
        return len(self.held) < self.places.at_once

    def open(self) -> Sequence[Vacancy]:
        return self.places.open([Running(render.rank, render.left_s) for render in self.held], LEAD_S)

    def compute(self) -> None:
        if not self.held:
            return
        top = min(render.rank for render in self.held)
        rank = self.turns.next_rank([top, *(render.rank for render in self.held if render.has_begun)])
        chosen = min((r for r in self.held if r.rank == rank), key=lambda render: (not render.has_begun, render.number))
        chosen.has_begun = True
        chosen.left_s -= 1
        self.held = [render for render in self.held if render.left_s]


@dataclass
class Fleet:
    """Workers that ask after every event, as `claim.lua` decides."""

    workers: list[Worker]
    waiting: list[Render] = field(default_factory=list)

    def settle(self) -> None:
        while any(self._claims(worker) for worker in self.workers):
            pass

    def _claims(self, worker: Worker) -> bool:
        for place in worker.open():
            fitting = [render for render in self.waiting if render.rank <= place.least.rank]
            if not fitting:
                continue
            first = min(fitting, key=lambda render: (render.rank, render.number))
            if place.room is Room.FREE or not self._others_open(worker, place, first):
                self.waiting.remove(first)
                self._send_back_behind(worker, first)
                worker.held.append(first)
                return True
        return False

    def _send_back_behind(self, worker: Worker, urgent: Render) -> None:
        behind = [render for render in worker.held if render.rank > urgent.rank and not render.has_begun]
        worker.held = [render for render in worker.held if render not in behind]
        self.waiting += behind

    def _others_open(self, worker: Worker, place: Vacancy, render: Render) -> bool:
        others = [other for other in self.workers if other is not worker]
        would_pre_empt = any(
            found.room is Room.BEYOND and render.rank <= found.least.rank for other in others for found in other.open()
        )
        return any(other.is_idle for other in others) or (place.room is Room.AHEAD and would_pre_empt)


ARRIVALS = st.lists(st.tuples(st.integers(0, 25), st.sampled_from(Priority), st.integers(1, 9)), max_size=14)


@given(ARRIVALS, st.integers(1, 4), st.integers(1, 3))
def test_no_render_waits_while_a_worker_idles_and_a_higher_class_is_claimed_at_once(
    arrivals: list[tuple[int, Priority, int]], num_workers: int, num_held: int
) -> None:
    fleet = Fleet([Worker(turns(num_held)) for _ in range(num_workers)])
    by_time = enumerate(sorted(arrivals))
    due = [(at_s, Render(number, priority.rank, left_s)) for number, (at_s, priority, left_s) in by_time]
    for now_s in count():
        fleet.waiting += [render for at_s, render in due if at_s == now_s]
        fleet.settle()
        is_one_idle = any(worker.is_idle for worker in fleet.workers)
        assert not (is_one_idle and fleet.waiting)
        for worker in fleet.workers:
            assert len(worker.held) <= worker.places.most
            holds_lower_only = all(render.rank > 0 for render in worker.held)
            assert not (holds_lower_only and any(render.rank == 0 for render in fleet.waiting))
            for render in worker.held:
                runs_next = len(worker.held) == 1
                if is_one_idle and not render.has_begun and not runs_next:
                    render.waited_beside_idle_s += 1
                assert render.waited_beside_idle_s <= LEAD_S
        for worker in fleet.workers:
            worker.compute()
        if now_s > 25 and not fleet.waiting and not any(worker.held for worker in fleet.workers):
            break
        assert now_s < 25 + 14 * 9 * 2, "somebody starves"


@given(st.floats(0.0, 0.5), st.integers(1, 300))
def test_a_pre_empted_class_keeps_its_floor_and_no_more(floor: float, num_steps: int) -> None:
    classes = ClassTurns(floor)
    num_lower = sum(classes.next_rank([0, 1]) == 1 for _ in range(num_steps))
    assert floor * num_steps - 1.5 <= num_lower <= floor * num_steps + 1


def test_a_class_that_is_alone_saves_nothing_up() -> None:
    classes = ClassTurns(0.5)
    assert [classes.next_rank(ranks) for ranks in ([0, 1], [0], [0, 1], [0, 1])] == [0, 0, 0, 1]
