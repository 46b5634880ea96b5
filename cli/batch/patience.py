"""Waits for a service that restarts, and for one that asks for patience."""

import time
from collections.abc import Callable
from typing import TypeVar

from cli.errors import Busy, Unavailable

_LIMIT_S = 60.0  # a supervised API is back within half a minute
_RETRY_S = 1.0

Answer = TypeVar("Answer")


def patiently(ask: Callable[[], Answer]) -> Answer:
    """What is asked for, of a service that may be away for a while. Raises `Unavailable` when it stays away."""
    gives_up_at = time.monotonic() + _LIMIT_S
    while True:
        try:
            return ask()
        except Busy as busy:  # it is there, so this ends
            gives_up_at = time.monotonic() + _LIMIT_S
            time.sleep(busy.wait_s)
        except Unavailable:
            if time.monotonic() > gives_up_at:
                raise
            time.sleep(_RETRY_S)
