"""Which renders a worker holds: running ones take a place each, finished ones wait in a buffer for their record."""

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from shared.ids import RenderId
from shared.jobs.leases import Claim, Lease, Room
from workers.engine.places import Places


@dataclass(slots=True)
class _Holding:
    claim: Claim
    taken_at_s: float
    is_finished: bool = False


def _ignore() -> None:
    """Nobody waits for a place."""


class Slots:
    """A render is held from its claim until its outcome is recorded, and its lease is renewed all that time.

    Everything goes by lease: a render that was lost and claimed again is held under the newer lease alone, and what
    still happens under the older one touches nothing. Safe to use from several threads.
    """

    def __init__(self, places: Places, buffer: int, on_room: Callable[[], None] = _ignore) -> None:
        """`buffer`: finished renders that may wait for their record before claims are refused. `on_room` is called
        when a place may have come free, on the thread that freed it.
        """
        self.places = places
        self._buffer = buffer
        self._on_room = on_room
        self._holdings: dict[RenderId, _Holding] = {}
        self._num_reserved = 0
        self._is_closed = False
        self._changed = threading.Condition()

    def take(self, claim: Callable[[], Claim | None], room: Room = Room.FREE) -> Claim | None:
        """Claims into a place of this kind. None when there is none, nothing waited, or all is closed."""
        with self._changed:
            if self._is_closed or not self._has_room(room):
                return None
            self._num_reserved += 1
        taken = None
        try:
            taken = claim()
        finally:
            with self._changed:
                self._num_reserved -= 1
                if taken:
                    self._holdings[taken.render_id] = _Holding(taken, time.monotonic())
                self._changed.notify_all()
        return taken

    def finish(self, lease: Lease) -> None:
        """The render's outcome is in the buffer: its place is free for another."""
        with self._changed:
            if holding := self._holding(lease):
                holding.is_finished = True
                self._changed.notify_all()
        self._on_room()

    def release(self, lease: Lease) -> None:
        """The render is recorded, handed back or lost: it is held no more."""
        with self._changed:
            if self._holding(lease):
                del self._holdings[lease.render_id]
                self._changed.notify_all()
        self._on_room()

    def close(self) -> None:
        """From now on `take` answers None."""
        with self._changed:
            self._is_closed = True
            self._changed.notify_all()

    def wait_until_empty(self, wait_s: float) -> None:
        """Returns once nothing is held, or after `wait_s`."""
        with self._changed:
            self._changed.wait_for(lambda: not self._holdings and not self._num_reserved, wait_s)

    def holds(self, lease: Lease) -> bool:
        """Whether this lease is held, and not a newer one of the same render."""
        with self._changed:
            return self._holding(lease) is not None

    def held(self) -> Sequence[Claim]:
        """Everything whose lease must be renewed."""
        with self._changed:
            return [holding.claim for holding in self._holdings.values()]

    def running(self) -> Sequence[tuple[Claim, float]]:
        """What occupies places, each with the time (monotonic seconds) at which it was taken."""
        with self._changed:
            holdings = list(self._holdings.values())
        return [(holding.claim, holding.taken_at_s) for holding in holdings if not holding.is_finished]

    @property
    def num_finished(self) -> int:
        """Returns how many outcomes wait to be recorded."""
        with self._changed:
            return sum(holding.is_finished for holding in self._holdings.values())

    def _holding(self, lease: Lease) -> _Holding | None:
        holding = self._holdings.get(lease.render_id)
        return holding if holding and holding.claim.lease == lease else None

    @property
    def is_closed(self) -> bool:
        """Whether nothing is taken any more: the worker drains."""
        return self._is_closed

    def _has_room(self, room: Room) -> bool:
        num_finished = sum(holding.is_finished for holding in self._holdings.values())
        num_running = len(self._holdings) - num_finished + self._num_reserved
        most = self.places.at_once if room is Room.FREE else self.places.most
        return num_finished < self._buffer and num_running < most
