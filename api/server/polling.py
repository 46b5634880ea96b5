"""Looks at sockets without a pause: gevent's `poll` lets all other greenlets run first, even to look without waiting.

Redis and the object store look at each connection before each use, so in a crowd every call waited for a round of all
greenlets more.
"""

import select
from typing import Any

from gevent import monkey
from gevent.select import poll

_ALL = select.POLLIN | select.POLLPRI | select.POLLOUT
_plain_poll: Any = monkey.get_original("select", "poll")


class Poll(poll):
    """Looks at once where the time-out is 0, and waits as gevent's does otherwise."""

    def __init__(self) -> None:
        super().__init__()
        self._plain = _plain_poll()

    def register(self, fd: Any, eventmask: int = _ALL) -> None:
        super().register(fd, eventmask)
        self._plain.register(fd, eventmask)

    def unregister(self, fd: Any) -> None:
        super().unregister(fd)
        self._plain.unregister(fd)

    def poll(self, timeout: float | None = None) -> list[tuple[int, int]]:
        found: list[tuple[int, int]] = self._plain.poll(0) if timeout == 0 else super().poll(timeout)
        return found


def install() -> None:
    """Must be called after gevent's monkey patches."""
    select.poll = Poll  # type: ignore[misc]
