"""Decides which connections are closed for others when their number nears its limit. Knows nothing of requests."""

import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

from gevent.pool import Pool

_ROOM = 64  # connections that may be let in at any moment; a tenth of all where that is less
_SLOW_S = 2.0  # for a piece of a response, from which on a stranger who does not take it may be closed


class Guest(Protocol):
    """A connection. `is_idle`: nothing of a request has come."""

    is_idle: bool

    def hang_up(self, how: int) -> None: ...


class Lobby:
    """The connections without a request under way, and those of strangers who have a response to take, each in the
    order in which they began to wait.

    When the number of open connections nears its limit, the one that waits longest is closed, so that idle connections
    keep nobody out; after all of these, strangers who read slowly. Some room is kept free, since closing one for each
    new connection would be slow in a crowd.
    """

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._room = max(1, min(_ROOM, pool.size // 10))
        self._since: dict[Guest, float] = {}
        self._readers: dict[Guest, float] = {}
        self._closing: set[Guest] = set()

    def enter(self, guest: Guest) -> None:
        self._since[guest] = time.monotonic()

    def leave(self, guest: Guest) -> None:
        self._since.pop(guest, None)
        self._closing.discard(guest)

    @contextmanager
    def reading(self, stranger: Guest) -> Iterator[None]:
        """Counts a stranger as one who has a piece of a response to take, within the block."""
        self._readers[stranger] = time.monotonic()
        try:
            yield
        finally:
            self._readers.pop(stranger, None)

    def make_room(self, waited_s: float = 0.0) -> None:
        """Closes connections that have waited for `waited_s` or longer, until there is room."""
        self._shed(self._since, waited_s, socket.SHUT_RD)
        self._shed(self._readers, max(waited_s, _SLOW_S), socket.SHUT_RDWR)

    def close(self) -> None:
        """Closes the connections that have not begun a request."""
        for guest in [one for one in self._since if one.is_idle]:
            self._hang_up(guest, self._since, socket.SHUT_RD)

    def _shed(self, waiting: dict[Guest, float], waited_s: float, how: int) -> None:
        while waiting and self._pool.free_count() + len(self._closing) < self._room:
            guest, since = next(iter(waiting.items()))
            if time.monotonic() - since < waited_s:
                return
            self._hang_up(guest, waiting, how)

    def _hang_up(self, guest: Guest, waiting: dict[Guest, float], how: int) -> None:
        waiting.pop(guest)
        self._closing.add(guest)
        guest.hang_up(how)
