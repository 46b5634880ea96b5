"""Sends hints while a queue is short of them. Losing one costs at most a tick of upkeep."""

from collections.abc import Mapping

import structlog
from celery import Celery

from shared.errors import StoreUnavailable
from shared.hints.message import HintMessage, hint_message
from shared.hints.queues import Queue
from shared.store.queues.upkeep import UpkeepStore

log = structlog.get_logger()

_ALL = 1_000_000


class Hints:
    """One script looks how many hints a queue lacks and sends them, so a crowd sends no more than one sender would.

    Never raises for a store that is away.
    """

    def __init__(self, app: Celery, store: UpkeepStore) -> None:
        self._store = store
        self._messages = {queue: hint_message(app, queue) for queue in Queue}

    @property
    def messages(self) -> Mapping[Queue, HintMessage]:
        """For scripts that send them themselves."""
        return self._messages

    def send_one(self, queue: Queue) -> None:
        """After new work was written: one hint, if the queue is short. A store that is away is upkeep's business."""
        self._send(queue, most=1)

    def top_up(self, queue: Queue) -> int:
        """Sends all that the queue lacks; returns how many were sent."""
        return self._send(queue, most=_ALL)

    def _send(self, queue: Queue, most: int) -> int:
        try:
            return self._store.send_hints(self._messages[queue], most)
        except StoreUnavailable as error:
            log.warning("hint.not_sent", queue=queue.value, error=str(error))
            return 0
