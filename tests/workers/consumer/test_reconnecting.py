"""How often a worker asks for a store that is away."""

from typing import Any

from shared.celery_app import make_celery
from workers.consumer.reconnecting import SteadyConsumer


class Broker:
    """A connection that notes how it was asked to wait."""

    def __init__(self) -> None:
        self.asked: dict[str, Any] = {}

    def ensure_connection(self, *_: object, **options: Any) -> "Broker":
        self.asked = options
        return self


def test_a_long_outage_does_not_make_the_worker_ask_less_often() -> None:
    consumer = object.__new__(SteadyConsumer)  # its constructor wants a whole worker
    consumer.app = make_celery("redis://127.0.0.1:1")
    consumer.first_connection_attempt, consumer.broker_connection_retry_attempt = False, 0
    broker = Broker()
    assert consumer.ensure_connected(broker) is broker
    assert broker.asked["interval_max"] <= 1
