"""Lets the callers of one process share the result of a costly read for a short time."""

import threading
import time
from collections.abc import Callable
from typing import Generic, TypeVar

Result = TypeVar("Result")


class SharedRead(Generic[Result]):
    """Keeps the newest result of a read. Callers get it for `reuse_s` seconds if it is large, else they read anew.

    Of many callers that need a new large result at the same moment, one reads it and the others wait for it. Small
    results are cheap to read, so nobody waits for them and they are never old.
    """

    def __init__(self, reuse_s: float, is_large: Callable[[Result], bool]) -> None:
        self._reuse_s = reuse_s
        self._is_large = is_large
        self._lock = threading.Lock()
        self._kept: Result | None = None
        self._kept_until_s = 0.0
        self._was_small = reuse_s == 0

    def get(self, read: Callable[[], Result]) -> Result:
        """Returns a result that is at most `reuse_s` seconds old, or the new result of `read`. Raises what `read`
        raises.
        """
        if self._was_small:
            return self._read(read)
        with self._lock:
            if self._kept is not None and time.monotonic() < self._kept_until_s:
                return self._kept
            return self._read(read)

    def _read(self, read: Callable[[], Result]) -> Result:
        began_s = time.monotonic()
        result = read()
        self._was_small = self._reuse_s == 0 or not self._is_large(result)
        self._kept = None if self._was_small else result
        self._kept_until_s = began_s + self._reuse_s
        return result
