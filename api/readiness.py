"""Runs the readiness checks of the service at most once a second, with a timeout of 2 s, however many probes ask."""

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
    """Runs readiness checks and caches their results for `ttl_s` seconds. All requests of a process share one instance.

    A probe that arrives while the checks run waits for their results. A check that hangs is not started again, so it
    occupies only one thread.
    """

    ttl_s: float = TTL_S
    limit_s: float = LIMIT_S
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _under_way: dict[str, "Future[Any]"] = field(default_factory=dict)
    _found: Mapping[str, Any] = field(default_factory=dict)
    _found_at: float | None = None

    def read(self, checks: Mapping[str, Check]) -> Mapping[str, Any]:
        """Returns the results of the readiness checks by name. The results are at most `ttl_s` seconds old.

        A check that takes longer than `limit_s` seconds has no result. Checks must not raise.
        """
        with self._lock:
            if self._found_at is None or time.monotonic() - self._found_at >= self.ttl_s:
                self._found = self._run_checks(checks)
                self._found_at = time.monotonic()
            return self._found

    def _run_checks(self, checks: Mapping[str, Check]) -> Mapping[str, Any]:
        """Runs all readiness checks in parallel, and returns the results of those that end within `limit_s` seconds."""
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
        except BaseException as error:  # noqa: BLE001 - `future.result()` raises the error again
            future.set_exception(error)

    threading.Thread(target=run, name="readiness", daemon=True).start()
    return future
