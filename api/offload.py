"""Runs what computes for long beside the event loop, so that nobody else waits for it."""

from collections.abc import Callable
from functools import cache
from typing import TypeVar

from gevent import monkey
from gevent.threadpool import ThreadPool

Result = TypeVar("Result")


def offload(function: Callable[..., Result], *args: object, **options: object) -> Result:
    """The result, or what `function` raises. A plain call where no event loop would stand still.

    For work on plain values, such as decoding a picture. It must not touch the request, the store or the network, nor
    wait for another thread.
    """
    if not monkey.is_module_patched("threading"):
        return function(*args, **options)
    result: Result = _thread().apply(function, args, options)
    return result


@cache
def _thread() -> ThreadPool:
    """One: a picture at full size takes half a gigabyte, which every further thread's heap would keep for itself."""
    return ThreadPool(1)
