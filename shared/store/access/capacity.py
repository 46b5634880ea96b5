"""Decides whether the store has room for one more job, before anything of the job is written.

The decision follows from the store's memory and disk, and from the number of waiting renders.
"""

import shutil
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from shared.errors import QueueFull, StoreFull, StoreUnavailable
from shared.settings.settings import Settings
from shared.store.core.connect import Client, translated
from shared.store.core.scripts import Scripts

_FRESH_S = 1.0  # A measurement is used for 1 s, so most requests need no extra round trip.
# Accepted work still writes token grids, progress and events. Above this share of the memory, new jobs would take the
# room that the accepted work needs.
_FILL_LIMIT = 0.9


@dataclass(frozen=True, slots=True)
class _Facts:
    """The last measurements of the store: its memory, its disk and its number of waiting renders.

    `max_bytes` is 0 when the store has no memory limit. `free_bytes` is None when this process can't see the store's
    disk.
    """

    used_bytes: int
    max_bytes: int
    free_bytes: int | None
    num_waiting: int


class Capacity:
    """Decides whether the store has room for more jobs. All request threads of a process share one instance.

    It measures the store at most once a second. In between, it adds the renders that this process has accepted since
    then.
    """

    def __init__(self, client: Client, settings: Settings, clock: Callable[[], float] = time.monotonic) -> None:
        """Measures the store's memory, disk and waiting renders for the first time. Raises `StoreUnavailable` when the
        store does not answer.
        """
        self._client = client
        self._scripts = Scripts(client)
        self._settings = settings
        self._clock = clock
        self._lock = threading.Lock()
        self._looked_at_s = clock()
        self._num_accepted = 0
        self._facts: _Facts | None = self._look()

    def check(self) -> None:
        """Checks that the store has room for one more job. Raises `StoreFull`, `QueueFull` or `StoreUnavailable`
        otherwise.
        """
        if self._is_due():
            self._refresh()
        facts = self._facts
        if facts is None:
            raise StoreUnavailable("the job store did not answer a moment ago")
        self._refuse_full_store(facts)
        self._refuse_full_queue(facts.num_waiting + self._num_accepted)

    def count(self, num_renders: int) -> None:
        """Adds renders that were just accepted to the last measurement of the queue. So the limit also holds for a
        burst of requests before the next measurement.
        """
        with self._lock:
            self._num_accepted += num_renders

    def _is_due(self) -> bool:
        """Returns whether the calling thread should measure the store now. Once a second one thread gets True. All
        other threads use the last measurement.
        """
        with self._lock:
            now = self._clock()
            is_due = now - self._looked_at_s >= _FRESH_S
            if is_due:
                self._looked_at_s = now
            return is_due

    def _refresh(self) -> None:
        """Measures the store's memory, disk and number of waiting renders.

        The measurement may miss renders that this process accepts during the measurement. So these renders are added to
        the result afterwards.
        """
        with self._lock:
            num_before = self._num_accepted
        try:
            facts = self._look()
        except StoreUnavailable:
            self._facts = None
            raise
        with self._lock:
            self._facts, self._num_accepted = facts, self._num_accepted - num_before

    def _look(self) -> _Facts:
        with translated():
            memory = self._client.info("memory")
        folder = self._settings.store_dir
        return _Facts(
            used_bytes=memory["used_memory"],
            max_bytes=memory.get("maxmemory") or self._settings.max_store_bytes or 0,
            free_bytes=shutil.disk_usage(folder).free if folder and folder.exists() else None,
            num_waiting=int(self._scripts.run("not_begun")),
        )

    def _refuse_full_store(self, facts: _Facts) -> None:
        if facts.max_bytes and facts.used_bytes > _FILL_LIMIT * facts.max_bytes:
            raise StoreFull("the job store's memory is nearly full; what was accepted goes on")
        if facts.free_bytes is not None and facts.free_bytes < self._settings.min_free_bytes:
            raise StoreFull("the job store's disk is nearly full; what was accepted goes on")

    def _refuse_full_queue(self, num_waiting: int) -> None:
        limit = self._settings.max_queued_renders
        if num_waiting >= limit:
            raise QueueFull(f"{num_waiting} renders wait already, and the limit is {limit}")
