"""Decides whether one more job fits: the store's memory and disk, and the number of waiting renders.

Asked before anything is written.
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

_FRESH_S = 1.0  # so a submit costs no round trip of its own
# Work under way still writes: token grids, progress, events. Past this share, new jobs would take its room.
_FILL_LIMIT = 0.9


@dataclass(frozen=True, slots=True)
class _Facts:
    """The last measurements.

    `max_bytes` is 0 without a memory limit; `free_bytes` is None when the disk can't be seen.
    """

    used_bytes: int
    max_bytes: int
    free_bytes: int | None
    num_waiting: int


class Capacity:
    """Free room for jobs, shared by all request threads.

    It measures at most once a second and adds the renders that this process accepted since.
    """

    def __init__(self, client: Client, settings: Settings, clock: Callable[[], float] = time.monotonic) -> None:
        """Measures once. Raises `StoreUnavailable` when the store does not answer."""
        self._client = client
        self._scripts = Scripts(client)
        self._settings = settings
        self._clock = clock
        self._lock = threading.Lock()
        self._looked_at_s = clock()
        self._num_accepted = 0
        self._facts: _Facts | None = self._look()

    def check(self) -> None:
        """Refuses a job when there is no room. Raises `StoreFull`, `QueueFull` and `StoreUnavailable`."""
        if self._is_due():
            self._refresh()
        facts = self._facts
        if facts is None:
            raise StoreUnavailable("the job store did not answer a moment ago")
        self._refuse_full_store(facts)
        self._refuse_full_queue(facts.num_waiting + self._num_accepted)

    def count(self, num_renders: int) -> None:
        """Counts renders that were just accepted, so that a burst between two measurements is bounded, too."""
        with self._lock:
            self._num_accepted += num_renders

    def _is_due(self) -> bool:
        """Returns True to one thread each second. The other threads use the last measurement."""
        with self._lock:
            now = self._clock()
            is_due = now - self._looked_at_s >= _FRESH_S
            if is_due:
                self._looked_at_s = now
            return is_due

    def _refresh(self) -> None:
        """Measures again. Renders accepted meanwhile stay counted, since the measurement may have missed them."""
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
