"""Looks for work every two seconds while no hints (Celery messages that wake workers) arrive. So a fault in Celery or
kombu can't leave a worker idle.
"""

import threading
from collections.abc import Callable

import structlog

from shared.errors import StoreUnavailable
from shared.process.background import Background
from workers.consumer.health import HintHealth

log = structlog.get_logger()

_EVERY_S = 2.0  # each poll of an idle worker is one Lua script that finds nothing


class Poller:
    """Calls `find_work` every two seconds while no hint (a Celery message that wakes workers) arrives. After a call
    that found work, the next call follows at once.
    """

    def __init__(self, find_work: Callable[[], bool], hint_health: HintHealth) -> None:
        """Creates the poller. `find_work` takes work if there is some, and returns whether it did; it never waits for a
        free slot. `hint_health` knows when the last hint (a Celery message that wakes workers) arrived.
        """
        self._find_work = find_work
        self._hint_health = hint_health
        self._stopped = threading.Event()
        self._thread = Background("lookout", self._run, self._stopped.is_set)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Stops the poller. A running call of `find_work` is not interrupted."""
        self._stopped.set()

    def poll_once(self) -> int:
        """Calls `find_work` until it finds nothing, or until a hint (a Celery message that wakes workers) arrives.
        Returns how many calls found work. Raises `StoreUnavailable`.
        """
        num_found = 0
        while not self._stopped.is_set() and self._hint_health.since_hint_s >= _EVERY_S and self._find_work():
            self._hint_health.note_found()
            num_found += 1
        return num_found

    def _run(self) -> None:
        while not self._stopped.wait(_EVERY_S):
            try:
                num_found = self.poll_once()
            except StoreUnavailable as error:
                log.warning("lookout.store_unavailable", error=str(error))
                continue
            if num_found:
                log.warning("lookout.found_work", num_found=num_found, silent_s=round(self._hint_health.silent_s, 1))
