"""kombu's Redis transport, except that bytes which are no message are thrown away. As it is, they end the worker."""

from itertools import count
from typing import Any

import structlog
from kombu.transport import redis, virtual
from kombu.transport.redis import Empty

log = structlog.get_logger()

_rejected = count(1)


class NotAMessage(ValueError):
    """JSON that lacks what every message of Celery has."""


class Message(virtual.Message):
    """A message, or `NotAMessage`."""

    def __init__(self, payload: Any, channel: Any = None, **kwargs: Any) -> None:
        try:
            super().__init__(payload, channel=channel, **kwargs)
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise NotAMessage(f"{type(error).__name__}: {error}") from error


class Channel(redis.Channel):
    """Overrides a private method of the pinned kombu; `tests/faults/test_messages.py` shows that it takes effect."""

    Message = Message

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
