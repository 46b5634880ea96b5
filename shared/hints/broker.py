"""kombu's Redis transport without acknowledgements. A malformed message is dropped and does not stop the consumer.

A hint may be lost, so it is gone once it is read. kombu writes each acknowledgement to the store from the task's
thread; one that fails there costs the consumer a prefetch credit for good, until it reads nothing any more.
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
    """The time at which this process last asked the broker for a message, by its monotonic clock."""

    def __init__(self) -> None:
        self._at_s = time.monotonic()

    def note(self) -> None:
        self._at_s = time.monotonic()

    @property
    def ago_s(self) -> float:
        return time.monotonic() - self._at_s


last_ask = LastAsk()


class NotAMessage(ValueError):
    """Raised for JSON without the fields that every Celery message has."""


class Message(virtual.Message):
    """A message. Raises `NotAMessage` when its fields are missing."""

    def __init__(self, payload: Any, channel: Any = None, **kwargs: Any) -> None:
        try:
            super().__init__(payload, channel=channel, **kwargs)
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise NotAMessage(f"{type(error).__name__}: {error}") from error


class QoS(virtual.QoS):
    """Counts in memory how many messages are being worked on. Nothing here can fail or wait for a network."""

    restore_at_shutdown = False  # a hint that nobody came to is replaced by upkeep


class _Hints:
    """Overrides private methods of the pinned kombu; `tests/faults` checks that the overrides are called."""

    Message = Message
    QoS = QoS

    def _brpop_start(self, timeout: Any = None) -> None:
        super()._brpop_start(timeout)  # type: ignore[misc]
        last_ask.note()

    def _brpop_read(self, **options: Any) -> Any:
        """Reads one message. A malformed one has left the queue already: it is logged, and `Empty` is raised."""
        try:
            return super()._brpop_read(**options)  # type: ignore[misc]
        except ValueError as error:
            log.warning("message.rejected", error=str(error)[:200], num_rejected=next(_rejected))
            raise Empty from error


class Channel(_Hints, redis.Channel):
    """A channel to one server."""


class SentinelChannel(_Hints, redis.SentinelChannel):
    """A channel to the primary that sentinels name."""


class Transport(redis.Transport):
    """The transport that `make_celery` sets as the broker's."""

    Channel = Channel


class SentinelTransport(redis.SentinelTransport):
    """The same, where the store's URL names sentinels."""

    Channel = SentinelChannel
