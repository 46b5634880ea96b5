"""Limits the number of concurrent tasks and serves tenants in turn, so that no tenant blocks the others."""

import threading
import time
from collections import Counter, OrderedDict, deque
from collections.abc import Iterator
from contextlib import contextmanager

from shared.errors import ServiceBusy
from shared.process.quota import SharedQuota

_LOOK_S = 0.05  # interval at which a waiting task checks for a place that another process gave back


class Turns:
    """Limits how many tasks run at the same time, and serves tenants in turn.

    At most `places` tasks run at once, and one tenant has at most `most_each` of them. The default of `most_each` is
    `places` - 1, so that other tenants can always start a task. If `quota` is given, it also limits the tasks of
    several processes together.
    """

    def __init__(
        self,
        places: int,
        *,
        most_each: int | None = None,
        most_waiting: int = 64,
        patience_s: float = 30.0,
        quota: SharedQuota | None = None,
    ) -> None:
        self._free = places
        self._most_each = most_each or max(1, places - 1)
        self._quota = quota
        self._most_waiting = most_waiting
        self._patience_s = patience_s
        self._lock = threading.Lock()
        self._waiting: OrderedDict[str, deque[threading.Event]] = OrderedDict()  # in order of their turns
        self._held: Counter[str] = Counter()

    @contextmanager
    def turn(self, tenant: str) -> Iterator[None]:
        """Waits until a task of the tenant may run, then runs the body of the `with` statement, which performs the
        task.

        Raises `ServiceBusy` after `patience_s` seconds. Raises it at once if too many tasks of the tenant wait already.
        """
        granted = self._ask(tenant)
        try:
            is_granted = self._wait(granted)
        except BaseException:
            self._leave(tenant, granted)
            raise
        if not is_granted and self._leave(tenant, granted):
            raise ServiceBusy("the service has too many tasks at once; try again")
        try:
            yield
        finally:
            self._give_back(tenant)

    def _ask(self, tenant: str) -> threading.Event:
        granted = threading.Event()
        with self._lock:
            queue = self._waiting.setdefault(tenant, deque())
            if len(queue) >= self._most_waiting:
                raise ServiceBusy(f"{len(queue)} requests of this tenant are waiting already; try again")
            queue.append(granted)
            self._grant()
        return granted

    def _wait(self, granted: threading.Event) -> bool:
        """Waits until the task may run, or until `patience_s` seconds are over. Returns whether the task may run."""
        if self._quota is None:
            return granted.wait(self._patience_s)
        ends_at = time.monotonic() + self._patience_s
        while not granted.wait(_LOOK_S) and time.monotonic() < ends_at:
            with self._lock:
                self._grant()
        return granted.is_set()

    def _leave(self, tenant: str, granted: threading.Event) -> bool:
        """Removes a waiting task from the tenant's queue. Returns False if the task was allowed to run before it could
        be removed.
        """
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
        """Returns whether one more task of the tenant may begin. If it may, the task takes a unit of the quota that
        several processes share.
        """
        return self._held[tenant] < self._most_each and (self._quota is None or self._quota.take(tenant))

    def _forget_idle(self, tenant: str) -> None:
        if not self._waiting[tenant]:
            del self._waiting[tenant]
