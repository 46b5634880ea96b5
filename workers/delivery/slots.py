"""Counts the tasks that a pool of threads carries out at the same time. Starts no threads."""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

LONG_S = 10.0


@dataclass(eq=False, slots=True)
class Slot:
    """Room for one task. `is_spare` says that the task has left its slot for a spare one, because it takes long."""

    began_s: float
    is_spare: bool = False


class Slots:
    """Gives out `num` slots. Thread-safe.

    A task that takes longer than `LONG_S` moves to one of `num_spare` spare slots, if one is free, so that long tasks
    do not hold up short ones.
    """

    def __init__(self, num: int, num_spare: int = 0, now_s: Callable[[], float] = time.monotonic) -> None:
        self._num, self._num_spare, self._now_s = num, num_spare, now_s
        self._held: set[Slot] = set()
        self._changed = threading.Condition()

    def acquire(self, timeout_s: float) -> Slot | None:
        """Returns a slot for a task that begins now. Waits at most `timeout_s` for it, and then returns None."""
        with self._changed:
            if self._is_full():
                self._changed.wait(timeout_s)
            if self._is_full():
                return None
            slot = Slot(self._now_s())
            self._held.add(slot)
            return slot

    def release(self, slot: Slot) -> None:
        """Takes a slot back, because its task has ended."""
        with self._changed:
            self._held.discard(slot)
            self._changed.notify()

    def _is_full(self) -> bool:
        """Moves tasks that take long to spare slots. Returns whether no slot is free then."""
        before_s, num_spare = self._now_s() - LONG_S, sum(slot.is_spare for slot in self._held)
        for slot in self._held:
            if num_spare < self._num_spare and not slot.is_spare and slot.began_s <= before_s:
                slot.is_spare = True
                num_spare += 1
        return len(self._held) - num_spare >= self._num
