"""Tracks the renders of a worker, from their claim until their outcome is recorded in the store.

A running render occupies a place (room for one render). A finished one waits in a buffer until its outcome is recorded.
"""

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
    """Does nothing. It is the default for the function that is called when a place becomes free."""


class Slots:
    """The renders that a worker holds. A render is held from its claim until its outcome is recorded, and its lease is
    renewed meanwhile.

    Renders are identified by their lease. If a render was lost and claimed again, only the newer lease is held.
    Operations with the older lease then have no effect. Safe to use from several threads.
    """

    def __init__(self, places: Places, buffer: int, on_room: Callable[[], None] = _ignore) -> None:
        """Creates empty slots. `buffer` is the largest number of finished renders whose outcomes may wait to be
        recorded. While so many wait, no render is claimed.

        `on_room` is called when there may be room for another render, on the thread that freed it.
        """
        self.places = places
        self._buffer = buffer
        self._on_room = on_room
        self._holdings: dict[RenderId, _Holding] = {}
        self._num_reserved = 0
        self._is_closed = False
        self._changed = threading.Condition()

    def take(self, claim: Callable[[], Claim | None], room: Room = Room.FREE) -> Claim | None:
        """Calls `claim` if the worker has room for a render of the kind `room`. Holds the claimed render from then on,
        and returns the claim.

        Returns None if there is no room, if no render waits, or if the slots are closed.
        """
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
        """Frees the place that a finished render occupied. The outcome of the render now waits in the buffer until it
        is recorded.
        """
        with self._changed:
            if holding := self._holding(lease):
                holding.is_finished = True
                self._changed.notify_all()
        self._on_room()

    def release(self, lease: Lease) -> None:
        """Stops holding a render, because it was recorded, handed back or lost."""
        with self._changed:
            if self._holding(lease):
                del self._holdings[lease.render_id]
                self._changed.notify_all()
        self._on_room()

    def close(self) -> None:
        """Closes the slots for a drain: from now on `take` claims nothing and returns None."""
        with self._changed:
            self._is_closed = True
            self._changed.notify_all()

    def open(self) -> None:
        """Opens the slots after `close`, so that `take` claims again."""
        with self._changed:
            self._is_closed = False
        self._on_room()

    def wait_until_empty(self, wait_s: float) -> None:
        """Waits until the worker holds no render any more, for at most `wait_s`."""
        with self._changed:
            self._changed.wait_for(lambda: not self._holdings and not self._num_reserved, wait_s)

    def holds(self, lease: Lease) -> bool:
        """Returns whether the worker holds exactly this lease. A newer lease of the same render does not count."""
        with self._changed:
            return self._holding(lease) is not None

    def held(self) -> Sequence[Claim]:
        """Returns the claims of all renders that the worker holds. Heartbeats renew the leases of these claims."""
        with self._changed:
            return [holding.claim for holding in self._holdings.values()]

    def running(self) -> Sequence[tuple[Claim, float]]:
        """Returns the claims of the renders that are still running. With each claim it returns the time of the claim,
        in seconds of the monotonic clock.
        """
        with self._changed:
            holdings = list(self._holdings.values())
        return [(holding.claim, holding.taken_at_s) for holding in holdings if not holding.is_finished]

    @property
    def num_finished(self) -> int:
        """The number of finished renders whose outcomes are not recorded yet."""
        with self._changed:
            return sum(holding.is_finished for holding in self._holdings.values())

    def _holding(self, lease: Lease) -> _Holding | None:
        holding = self._holdings.get(lease.render_id)
        return holding if holding and holding.claim.lease == lease else None

    @property
    def is_closed(self) -> bool:
        """True if the worker drains, so that it claims no more renders."""
        return self._is_closed

    def _has_room(self, room: Room) -> bool:
        num_finished = sum(holding.is_finished for holding in self._holdings.values())
        num_running = len(self._holdings) - num_finished + self._num_reserved
        most = self.places.at_once if room is Room.FREE else self.places.most
        return num_finished < self._buffer and num_running < most
