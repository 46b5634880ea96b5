"""Repeats a request while the service is unreachable or limits the rate of requests."""

import time
from collections.abc import Callable
from typing import TypeVar

from cli.errors import Busy, Unavailable

_LIMIT_S = 60.0  # a supervised API restarts within half a minute
_RETRY_S = 1.0

Response = TypeVar("Response")


def with_retries(send: Callable[[], Response]) -> Response:
    """Calls `send`, which sends a request, until it succeeds. Returns the response.

    After a 429, waits as long as the service asks for, and never gives up. Raises `Unavailable` when the service is
    unreachable for 60 s.
    """
    gives_up_at = time.monotonic() + _LIMIT_S
    while True:
        try:
            return send()
        except Busy as busy:  # the service responds, so the 60 s start again
            gives_up_at = time.monotonic() + _LIMIT_S
            time.sleep(busy.wait_s)
        except Unavailable:
            if time.monotonic() > gives_up_at:
                raise
            time.sleep(_RETRY_S)
