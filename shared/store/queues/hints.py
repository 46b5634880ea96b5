"""Sends hints (Celery messages that wake workers) to a queue while it has too few of them. If a hint is lost, work
waits at most until upkeep's next tick.
"""

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
    """Sends hints to queues. A hint is a Celery message that wakes a worker.

    A Lua script computes how many hints a queue lacks and sends that many, in one atomic step. So many senders together
    send no more hints than a single sender. An unreachable store is logged and raises nothing.
    """

    def __init__(self, app: Celery, store: UpkeepStore) -> None:
        self._store = store
        self._messages = {queue: hint_message(app, queue) for queue in Queue}

    @property
    def messages(self) -> Mapping[Queue, HintMessage]:
        """Returns the Celery messages that wake workers, one for each queue. Lua scripts get them to send hints
        themselves.
        """
        return self._messages

    def send_one(self, queue: Queue) -> None:
        """Sends one hint (a Celery message that wakes a worker) to a queue if it has too few. Call this after new work
        was written.

        If the store is unreachable, upkeep sends the hint later.
        """
        self._send(queue, most=1)

    def top_up(self, queue: Queue) -> int:
        """Sends all hints (Celery messages that wake workers) that a queue lacks. Returns the number of hints sent."""
        return self._send(queue, most=_ALL)

    def _send(self, queue: Queue, most: int) -> int:
        try:
            return self._store.send_hints(self._messages[queue], most)
        except StoreUnavailable as error:
            log.warning("hint.not_sent", queue=queue.value, error=str(error))
            return 0
