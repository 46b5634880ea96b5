"""Resolves the host names in URLs of callers, in a separate thread pool.

So these names can't block the DNS look-ups of the service itself.
"""

from collections.abc import Callable
from functools import cache, partial
from typing import Any

from gevent import monkey
from gevent.threadpool import ThreadPool

from shared.addresses import Address
from shared.egress.connect import Resolve, look_up
from shared.ids import TenantId
from shared.sandbox.turns import Turns

_MOST_AT_ONCE = 32
_MOST_OF_A_TENANT = 4  # a name server that never answers occupies a thread for half a minute
_PATIENCE_S = 15.0  # the time limit for fetching a caller's pictures

_getaddrinfo: Callable[..., Any] = monkey.get_original("socket", "getaddrinfo")


def look_up_for(tenant: TenantId) -> Resolve:
    """Returns a function that resolves host names on behalf of a tenant.

    Tenants take turns, and each has at most 4 look-ups at once. So a name server that hangs delays only the tenants
    that use it. The returned function raises `OSError` if a look-up fails, and `ServiceBusy` if no thread is free
    within 15 s.
    """
    return partial(_look_up, tenant)


def _look_up(tenant: TenantId, host: str, port: int) -> list[Address]:
    with _turns().turn(tenant):
        addresses: list[Address] = _threads().apply(look_up, (host, port, _getaddrinfo))
        return addresses


@cache
def _threads() -> ThreadPool:
    return ThreadPool(_MOST_AT_ONCE)


@cache
def _turns() -> Turns:
    return Turns(_MOST_AT_ONCE, most_each=_MOST_OF_A_TENANT, patience_s=_PATIENCE_S)
