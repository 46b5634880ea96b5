"""Limits the number of concurrent tasks and serves tenants in turn, so that none blocks the others.

Knows nothing of what the tasks are.
"""

import threading
import time
from collections import Counter, OrderedDict, deque
from collections.abc import Iterator
from contextlib import contextmanager

from shared.errors import ServiceBusy
from shared.process.quota import Quota

_LOOK_S = 0.05  # how soon a place that another process gave back is seen


class Turns:
    """Runs at most `places` tasks at once. One tenant gets at most `most_each` of the places, by default all but one,
    so that some stay free for others. `quota`, if given, limits the tasks of several processes together.
    """

    def __init__(
        self,
        places: int,
        *,
        most_each: int | None = None,
        most_waiting: int = 64,
        patience_s: float = 30.0,
        quota: Quota | None = None,
    ) -> None:
        self._free = places
        self._most_each = most_each or max(1, places - 1)
        self._quota = quota
        self._most_waiting = most_waiting
        self._patience_s = patience_s
        self._lock = threading.Lock()
        self._waiting: OrderedDict[str, deque[threading.Event]] = OrderedDict()  # whose turn comes first, first
        self._held: Counter[str] = Counter()

    @contextmanager
    def turn(self, tenant: str) -> Iterator[None]:
        """Waits for a place and keeps it for the block. Raises `ServiceBusy` after a time-out or behind too many tasks
        of the tenant.
        """
        granted = self._ask(tenant)
        try:
            is_granted = self._wait(granted)
        except BaseException:
            self._leave(tenant, granted)
            raise
        if not is_granted and self._leave(tenant, granted):
            raise ServiceBusy("the service has too much to do at once; try again")
        try:
            yield
        finally:
            self._give_back(tenant)

    def _ask(self, tenant: str) -> threading.Event:
        granted = threading.Event()
        with self._lock:
            queue = self._waiting.setdefault(tenant, deque())
            if len(queue) >= self._most_waiting:
                raise ServiceBusy(f"{len(queue)} requests of this tenant wait for their turn")
            queue.append(granted)
            self._grant()
        return granted

    def _wait(self, granted: threading.Event) -> bool:
        """Returns whether the place was granted in time."""
        if self._quota is None:
            return granted.wait(self._patience_s)
        ends_at = time.monotonic() + self._patience_s
        while not granted.wait(_LOOK_S) and time.monotonic() < ends_at:
            with self._lock:
                self._grant()
        return granted.is_set()

    def _leave(self, tenant: str, granted: threading.Event) -> bool:
        """Leaves the queue. Returns False when the place was granted in the meantime."""
        with self._lock:
            if granted.is_set():
                return False
            self._waiting[tenant].remove(granted)
            self._forget_idle(tenant)
            return True

    def _give_back(self, tenant: str) -> None:
        with self._lock:
            self._free += 1
            if self._quota:
                self._quota.give_back(tenant)
            self._held[tenant] -= 1
            if not self._held[tenant]:
                del self._held[tenant]
            self._grant()

    def _grant(self) -> None:
        while self._free:
            tenant = next(filter(self._may_begin, self._waiting), None)
            if tenant is None:
                return
            self._free -= 1
            self._held[tenant] += 1
            self._waiting[tenant].popleft().set()
            self._waiting.move_to_end(tenant)
            self._forget_idle(tenant)

    def _may_begin(self, tenant: str) -> bool:
        """Returns whether the tenant may have one more place; if so, it is taken from the quota."""
        return self._held[tenant] < self._most_each and (self._quota is None or self._quota.take(tenant))

    def _forget_idle(self, tenant: str) -> None:
        if not self._waiting[tenant]:
            del self._waiting[tenant]
