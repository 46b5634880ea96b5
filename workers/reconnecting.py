"""How fast a worker comes back to a store that was away. Celery's own waits grow to half a minute with the outage."""

from functools import partial
from typing import Any

from celery.worker.consumer import Consumer


class SteadyConsumer(Consumer):
    """Asks for the broker again after half a second, then every second, however long it has been away."""

    def ensure_connected(self, conn: Any) -> Any:
        conn.ensure_connection = partial(conn.ensure_connection, interval_start=0.5, interval_step=0.5, interval_max=1)
        return super().ensure_connected(conn)
