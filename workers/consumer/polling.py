"""Looks for work without a hint, so that a fault in Celery or kombu can't leave a worker idle."""

import threading
from collections.abc import Callable

import structlog

from shared.errors import StoreUnavailable
from shared.process.background import Background
from workers.consumer.health import Hearing

log = structlog.get_logger()

_EVERY_S = 2.0  # an idle worker's look is one script that finds nothing


class Lookout:
    """Calls `look` every two seconds while no hint comes, and again at once as long as it finds work."""

    def __init__(self, look: Callable[[], bool], hearing: Hearing) -> None:
        """`look` never waits for a slot; it returns whether it found work."""
        self._look = look
        self._hearing = hearing
        self._stopped = threading.Event()
        self._thread = Background("lookout", self._run, self._stopped.is_set)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Stops looking. A running call of `look` ends by itself."""
        self._stopped.set()

    def look_once(self) -> int:
        """Looks until nothing is found. Returns how much was found. Raises `StoreUnavailable`."""
        num_found = 0
        while not self._stopped.is_set() and self._hearing.unheard_s >= _EVERY_S and self._look():
            self._hearing.note_found()
            num_found += 1
        return num_found

    def _run(self) -> None:
        while not self._stopped.wait(_EVERY_S):
            try:
                num_found = self.look_once()
            except StoreUnavailable as error:
                log.warning("lookout.store_unavailable", error=str(error))
                continue
            if num_found:
                log.warning("lookout.found_work", num_found=num_found, silent_s=round(self._hearing.silent_s, 1))
