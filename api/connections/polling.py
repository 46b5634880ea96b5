"""Replaces gevent's `select.poll` by one that does not yield to other greenlets when its timeout is 0.

gevent's `poll` lets all other greenlets run first, even with a timeout of 0. The clients of Redis and S3 poll a
connection before each use. So with many greenlets, every call to a store would first wait for all of them.
"""

import select
from typing import Any

from gevent import monkey
from gevent.select import poll

_ALL = select.POLLIN | select.POLLPRI | select.POLLOUT
_plain_poll: Any = monkey.get_original("select", "poll")


class Poll(poll):
    """A replacement for `select.poll`. It returns at once if the timeout is 0, and otherwise waits as gevent's does."""

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
    """Replaces `select.poll` by `Poll`. Must run after gevent's monkey patches, which also replace `select.poll`."""
    select.poll = Poll  # type: ignore[misc]
