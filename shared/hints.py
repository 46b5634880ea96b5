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

    One sender at a time: threads that all look before any of them sends would send a hint each.
    """

    def __init__(self, app: Celery, store: UpkeepStore) -> None:
        self._app = app
        self._store = store
        self._lock = threading.Lock()

    def send_one(self, queue: Queue) -> None:
        """After new work was written: one hint, if the queue is short. A broker that is away is upkeep's business."""
        self._send(queue, most=1)

    def top_up(self, queue: Queue) -> int:
        """Sends all that the queue lacks; returns how many were sent."""
        return self._send(queue, most=None)

    def _send(self, queue: Queue, most: int | None) -> int:
        with self._lock:
            return self._send_missing(queue, most)

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
