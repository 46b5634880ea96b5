"""Keeps a worker's Celery consumer connected to the broker. Also restarts the consumer when it no longer asks for
hints, the messages that wake the worker.

Celery alone would wait up to half a minute between two attempts to reconnect.
"""

from functools import partial
from typing import Any

import structlog
from celery.worker.consumer import Consumer
from redis.exceptions import ConnectionError as BrokerConnectionError

from workers.consumer.health import HintHealth

log = structlog.get_logger()

_LONGEST_SILENCE_S = 10.0  # a consumer with a free slot asks for hints every second
_LOOK_S = 1.0


class SteadyConsumer(Consumer):
    """A Celery consumer that tries to reconnect after half a second, then every second, however long the broker is
    unreachable.

    It also restarts itself if it has not asked for hints (messages that wake workers) for ten seconds, although the
    worker could have handled a hint.
    """

    def __init__(self, *args: Any, hint_health: HintHealth, **options: Any) -> None:
        super().__init__(*args, **options)
        self._hint_health = hint_health

    def ensure_connected(self, conn: Any) -> Any:
        conn.ensure_connection = partial(conn.ensure_connection, interval_start=0.5, interval_step=0.5, interval_max=1)
        return super().ensure_connected(conn)

    def register_with_event_loop(self, hub: Any) -> None:
        super().register_with_event_loop(hub)
        hub.call_repeatedly(_LOOK_S, self.check_asking)

    def check_asking(self) -> None:
        """Raises a connection error if the consumer has not asked the broker for hints for too long. The error makes
        the consumer's event loop reconnect.

        That event loop calls this method once a second.
        """
        silent_s = self._hint_health.silent_since_restart_s
        if silent_s > _LONGEST_SILENCE_S:
            self._hint_health.note_restart()
            log.warning("consumer.restarted", silent_s=round(silent_s, 1))
            raise BrokerConnectionError(f"the consumer asked for no hint in {silent_s:.0f} s")
