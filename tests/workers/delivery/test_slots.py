"""Tasks that take long leave their slots to others."""

import threading
from collections.abc import Iterator

import pytest

from workers.delivery.content.runner import CheckRunner
from workers.delivery.slots import LONG_S, Slots


class Clock:
    now_s = 0.0

    def __call__(self) -> float:
        return self.now_s


def taken(slots: Slots, num: int) -> int:
    return sum(slots.acquire(0) is not None for _ in range(num))


@pytest.mark.parametrize("num_spare", [0, 2, 4, 9])
def test_long_tasks_hold_up_others_only_while_no_spare_slot_is_free(num_spare: int) -> None:
    clock = Clock()
    slots = Slots(4, num_spare, clock)
    assert taken(slots, 9) == 4
    clock.now_s = LONG_S - 1
    assert taken(slots, 9) == 0
    clock.now_s = LONG_S
    assert taken(slots, 9) == min(num_spare, 4)


def test_the_end_of_a_task_frees_the_slot_that_it_has() -> None:
    clock = Clock()
    slots = Slots(2, 1, clock)
    old = [slots.acquire(0) for _ in range(2)]
    clock.now_s = LONG_S
    new = slots.acquire(0)
    assert new
    assert slots.acquire(0) is None
    for slot in (*old, new):
        assert slot
        slots.release(slot)
    assert taken(slots, 9) == 2  # none of the tasks under way takes long


def test_a_waiting_thread_gets_the_slot_that_becomes_free() -> None:
    slots = Slots(1)
    slot = slots.acquire(0)
    assert slot
    threading.Timer(0.05, slots.release, [slot]).start()
    assert slots.acquire(60)


class _Broken:
    """Claims that fail in a way that nobody foresaw, and then no more."""

    def __init__(self, num: int) -> None:
        self.failures = iter(range(num))
        self.looked = threading.Event()

    def claim(self) -> None:
        for _ in self._next():
            raise ValueError("a record that nobody can read")
        self.looked.set()

    def _next(self) -> Iterator[int]:
        if (number := next(self.failures, None)) is not None:
            yield number

    def carry_out(self, _: object) -> None:
        raise AssertionError


def test_a_claim_that_fails_loses_no_slot(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shared.process.background._PAUSE_S", 0)
    broken = _Broken(1)
    runner = CheckRunner("copies", broken, 1, 0.01)  # type: ignore[arg-type]
    runner.start()
    assert broken.looked.wait(60)
    runner.stop()
