"""Checks the stores at most once a second for all readiness probes, for at most two seconds."""

import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from concurrent.futures import wait as wait_for
from dataclasses import dataclass, field
from typing import Any

TTL_S = 1.0
LIMIT_S = 2.0

Check = Callable[[], Any]


@dataclass(slots=True)
class Readiness:
    """One per process, for all its threads. A probe that comes during a check waits for its result.

    A check that hangs occupies one thread: it is not started again before it has ended.
    """

    ttl_s: float = TTL_S
    limit_s: float = LIMIT_S
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _under_way: dict[str, "Future[Any]"] = field(default_factory=dict)
    _found: Mapping[str, Any] = field(default_factory=dict)
    _found_at: float | None = None

    def read(self, checks: Mapping[str, Check]) -> Mapping[str, Any]:
        """Returns the results by name; a check that took too long is missing. Checks must not raise."""
        with self._lock:
            if self._found_at is None or time.monotonic() - self._found_at >= self.ttl_s:
                self._found = self._look(checks)
                self._found_at = time.monotonic()
            return self._found

    def _look(self, checks: Mapping[str, Check]) -> Mapping[str, Any]:
        """Runs all checks at once."""
        for name, check in checks.items():
            if name not in self._under_way:
                self._under_way[name] = _begun(check)
        asked = {name: self._under_way[name] for name in checks}
        wait_for(asked.values(), self.limit_s)
        ended = {name: future for name, future in asked.items() if future.done()}
        for name in ended:
            del self._under_way[name]
        return {name: future.result() for name, future in ended.items()}


def _begun(check: Check) -> "Future[Any]":
    future: Future[Any] = Future()

    def run() -> None:
        try:
            future.set_result(check())
        except BaseException as error:  # noqa: BLE001 - it is raised again by whoever reads the result
            future.set_exception(error)

    threading.Thread(target=run, name="readiness", daemon=True).start()
    return future
