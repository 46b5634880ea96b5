"""Looks up the names that callers send, in threads of its own: names of ours are looked up by gevent's."""

from collections.abc import Callable
from functools import cache
from typing import Any

from gevent import monkey
from gevent.threadpool import ThreadPool

from shared.egress.addresses import Address
from shared.egress.connect import look_up

_MOST_AT_ONCE = 16  # a name server that never answers holds a thread for half a minute

_getaddrinfo: Callable[..., Any] = monkey.get_original("socket", "getaddrinfo")


def look_up_apart(host: str, port: int) -> list[Address]:
    """As `look_up`; while many look-ups hang, only those like it wait. Raises `OSError`."""
    addresses: list[Address] = _threads().apply(look_up, (host, port, _getaddrinfo))
    return addresses


@cache
def _threads() -> ThreadPool:
    return ThreadPool(_MOST_AT_ONCE)
