"""Reconnects a worker's consumer to the broker, and restarts it when it no longer asks for hints.

Celery's own waits grow to half a minute during an outage.
"""

from functools import partial
from typing import Any

import structlog
from celery.worker.consumer import Consumer
from redis.exceptions import ConnectionError as BrokerConnectionError

from workers.consumer.health import Hearing

log = structlog.get_logger()

_LONGEST_SILENCE_S = 10.0  # a consumer that can take a hint asks every second
_LOOK_S = 1.0


class SteadyConsumer(Consumer):
    """Reconnects after half a second, then every second, however long the broker was away.

    Restarts itself when it has asked for no hint for ten seconds although it had a free slot.
    """

    def __init__(self, *args: Any, hearing: Hearing, **options: Any) -> None:
        super().__init__(*args, **options)
        self._hearing = hearing

    def ensure_connected(self, conn: Any) -> Any:
        conn.ensure_connection = partial(conn.ensure_connection, interval_start=0.5, interval_step=0.5, interval_max=1)
        return super().ensure_connected(conn)

    def register_with_event_loop(self, hub: Any) -> None:
        super().register_with_event_loop(hub)
        hub.call_repeatedly(_LOOK_S, self.check_asking)

    def check_asking(self) -> None:
        """Runs in the consumer's loop. Raises a connection error when silent for too long; the loop then reconnects."""
        silent_s = self._hearing.owed_s
        if silent_s > _LONGEST_SILENCE_S:
            self._hearing.note_restart()
            log.warning("consumer.restarted", silent_s=round(silent_s, 1))
            raise BrokerConnectionError(f"no hint was asked for in {silent_s:.0f} s")
