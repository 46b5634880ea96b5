"""Sends hints while a queue is short of them. Losing one costs at most a tick of upkeep."""

import threading

import structlog
from celery import Celery
from kombu.exceptions import OperationalError

from shared.errors import StoreUnavailable
from shared.messages import Hint
from shared.queues import Queue
from shared.store.upkeep import UpkeepStore

log = structlog.get_logger()


class Hints:
    """Asks the store how many hints a queue lacks, and sends them. Never raises for a store or broker that is away.

    One sender at a time: threads that all look before any of them sends would send a hint each. Who comes while another
    is at it leaves the look to him, so that a crowd costs two looks, not one each.
    """

    def __init__(self, app: Celery, store: UpkeepStore) -> None:
        self._app = app
        self._store = store
        self._lock = threading.Lock()
        self._wanted: set[Queue] = set()

    def send_one(self, queue: Queue) -> None:
        """After new work was written: one hint, if the queue is short. A broker that is away is upkeep's business."""
        self._wanted.add(queue)
        while self._wanted and self._lock.acquire(blocking=False):
            try:
                for wanted in tuple(self._wanted):
                    self._wanted.discard(wanted)
                    self._send_missing(wanted, most=1)
            finally:
                self._lock.release()

    def top_up(self, queue: Queue) -> int:
        """Sends all that the queue lacks; returns how many were sent."""
        with self._lock:
            return self._send_missing(queue, most=None)

    def _send_missing(self, queue: Queue, most: int | None) -> int:
        try:
            missing = self._store.backlog(queue).missing_hints
            count = missing if most is None else min(missing, most)
            for _ in range(count):
                self._app.send_task(queue.task, args=[Hint().model_dump()], queue=queue.value)
        except (OperationalError, StoreUnavailable) as error:
            log.warning("hint.not_sent", queue=queue.value, error=str(error))
            return 0
        return count
