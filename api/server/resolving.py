"""Looks up the names that callers send, in threads of its own: names of ours are looked up by gevent's."""

from collections.abc import Callable
from functools import cache, partial
from typing import Any

from gevent import monkey
from gevent.threadpool import ThreadPool

from shared.egress.addresses import Address
from shared.egress.connect import Resolve, look_up
from shared.ids import TenantId
from shared.sandbox.turns import Turns

_MOST_AT_ONCE = 32
_MOST_OF_A_TENANT = 4  # a name server that never answers holds a thread for half a minute
_PATIENCE_S = 15.0  # callers' pictures have to come within that

_getaddrinfo: Callable[..., Any] = monkey.get_original("socket", "getaddrinfo")


def look_up_for(tenant: TenantId) -> Resolve:
    """Returns a `look_up` that takes turns with those of other tenants, so that names that hang hold up only their own
    tenant. It raises `OSError` and `ServiceBusy`.
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
