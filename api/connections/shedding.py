"""Closes connections to make room for new ones when the number of open connections nears its limit.

It closes idle connections, and those of unauthenticated clients that read a response slowly.
"""

import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

from gevent.pool import Pool

_ROOM = 64  # free places for new connections; a tenth of the limit where that is less
_SLOW_S = 2.0  # a client without an API key may be cut off when it has not read a piece of a response for so long


class ClosableConnection(Protocol):
    """A connection that the server may close under load.

    `is_idle` is true until the first byte of the next request has arrived.
    """

    is_idle: bool

    def hang_up(self, how: int) -> None: ...


class ConnectionShedder:
    """Tracks the connections that may be closed under load, and closes those that have waited longest.

    There are two kinds. A connection of the first kind has no running request. A connection of the second kind belongs
    to an unauthenticated client that has a piece of a response to read.

    When the number of open connections nears its limit, the first kind is closed before the second, the longest wait
    first. So idle connections never keep new clients out. Room for up to 64 new connections stays free, since closing
    one connection for each new one would be slow when many clients connect at once.
    """

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._room = max(1, min(_ROOM, pool.size // 10))
        self._since: dict[ClosableConnection, float] = {}
        self._readers: dict[ClosableConnection, float] = {}
        self._closing: set[ClosableConnection] = set()

    def enter(self, connection: ClosableConnection) -> None:
        self._since[connection] = time.monotonic()

    def leave(self, connection: ClosableConnection) -> None:
        self._since.pop(connection, None)
        self._closing.discard(connection)

    @contextmanager
    def reading(self, connection: ClosableConnection) -> Iterator[None]:
        """Registers the connection of an unauthenticated client as one that may be closed under load.

        The registration lasts for the body of the `with` statement. That body sends a piece of a response, which the
        client may read slowly.
        """
        self._readers[connection] = time.monotonic()
        try:
            yield
        finally:
            self._readers.pop(connection, None)

    def make_room(self, waited_s: float = 0.0) -> None:
        """Closes tracked connections, those that are idle for longest first, until there is room for new connections.

        Closes only connections on which nothing was received for at least `waited_s` seconds.
        """
        self._shed(self._since, waited_s, socket.SHUT_RD)
        self._shed(self._readers, max(waited_s, _SLOW_S), socket.SHUT_RDWR)

    def close(self) -> None:
        """Closes all connections on which no byte of a next request has arrived. The server calls this when it begins
        to end.
        """
        for connection in [one for one in self._since if one.is_idle]:
            self._hang_up(connection, self._since, socket.SHUT_RD)

    def _shed(self, waiting: dict[ClosableConnection, float], waited_s: float, how: int) -> None:
        while waiting and self._pool.free_count() + len(self._closing) < self._room:
            connection, since = next(iter(waiting.items()))
            if time.monotonic() - since < waited_s:
                return
            self._hang_up(connection, waiting, how)

    def _hang_up(self, connection: ClosableConnection, waiting: dict[ClosableConnection, float], how: int) -> None:
        waiting.pop(connection)
        self._closing.add(connection)
        connection.hang_up(how)
