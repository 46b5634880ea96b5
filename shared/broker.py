"""kombu's Redis transport without acknowledgements, and without an end at bytes that are no message.

A hint is a permission and may be lost: once it is read it is gone. kombu's own way writes each acknowledgement to the
store from the task's thread; one that fails there costs the consumer a credit for good, and without credit it is deaf.
"""

import time
from itertools import count
from typing import Any

import structlog
from kombu.transport import redis, virtual
from kombu.transport.redis import Empty

log = structlog.get_logger()

_rejected = count(1)


class LastAsk:
    """When this process last asked the broker for a message, by its monotonic clock."""

    def __init__(self) -> None:
        self._at_s = time.monotonic()

    def note(self) -> None:
        self._at_s = time.monotonic()

    @property
    def ago_s(self) -> float:
        return time.monotonic() - self._at_s


last_ask = LastAsk()


class NotAMessage(ValueError):
    """JSON that lacks what every message of Celery has."""


class Message(virtual.Message):
    """A message, or `NotAMessage`."""

    def __init__(self, payload: Any, channel: Any = None, **kwargs: Any) -> None:
        try:
            super().__init__(payload, channel=channel, **kwargs)
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise NotAMessage(f"{type(error).__name__}: {error}") from error


class QoS(virtual.QoS):
    """Counts in memory how many messages are being worked on. Nothing here can fail or wait for a network."""

    restore_at_shutdown = False  # a hint that nobody came to is replaced by upkeep


class Channel(redis.Channel):
    """Overrides private methods of the pinned kombu; `tests/faults` shows that they take effect."""

    Message = Message
    QoS = QoS

    def _brpop_start(self, timeout: Any = None) -> None:
        super()._brpop_start(timeout)
        last_ask.note()

    def _brpop_read(self, **options: Any) -> Any:
        """`ValueError` is broken JSON or UTF-8, or `NotAMessage`. The item has left the queue already."""
        try:
            return super()._brpop_read(**options)
        except ValueError as error:
            log.warning("message.rejected", error=str(error)[:200], num_rejected=next(_rejected))
            raise Empty from error


class Transport(redis.Transport):
    """What `make_celery` names as its broker's transport."""

    Channel = Channel
