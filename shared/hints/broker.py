"""Adapts kombu's Redis transport for hints (Celery messages that wake workers).

Hints are never acknowledged, and a malformed message stops no consumer. A hint may be lost, so it is removed from its
queue when it is read. kombu's own transport would write an acknowledgement to the store after each task. If such a
write fails, kombu counts the message as unfinished for ever. After some failures the consumer would read no more
messages.
"""

import time
from collections.abc import Mapping
from itertools import count
from types import MappingProxyType
from typing import Any

import structlog
from kombu.transport import redis, virtual
from kombu.transport.redis import Empty
from redis import UnixDomainSocketConnection

from shared.process.tcp import TCP_ONLY_OPTIONS

log = structlog.get_logger()

_rejected = count(1)

_REPLIES = "reply.celery.pidbox"  # the exchange on which Celery's remote control answers
_REPLY_QUEUES = f".{_REPLIES}"  # the end of the names of its queues
_REPLY_TTL_MS = 60_000
_OPTIONS = ("connection_options",)


class LastPoll:
    """Records the time at which this process last asked the broker for a message. Uses the monotonic clock."""

    def __init__(self) -> None:
        self._at_s = time.monotonic()

    def note(self) -> None:
        self._at_s = time.monotonic()

    @property
    def ago_s(self) -> float:
        """Returns the seconds since this process last asked the broker for a message."""
        return time.monotonic() - self._at_s


last_poll = LastPoll()


class NotAMessage(ValueError):
    """Raised when JSON text in a queue lacks the fields of a Celery message."""


class Message(virtual.Message):
    """A Celery message that was read from a queue. Raises `NotAMessage` when the fields of a Celery message are
    missing.
    """

    def __init__(self, payload: Any, channel: Any = None, **kwargs: Any) -> None:
        try:
            super().__init__(payload, channel=channel, **kwargs)
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise NotAMessage(f"{type(error).__name__}: {error}") from error


class QoS(virtual.QoS):
    """Counts the messages that this process works on, in memory only.

    kombu's own class writes to the store for each message, and such a write can fail or wait for the network.
    """

    restore_at_shutdown = False  # upkeep replaces a hint that no worker took


class _Hints:
    """Changes how kombu's Redis channels read messages. The class overrides private methods of kombu, so kombu's
    version is pinned, and `tests/faults` checks that kombu still calls them.
    """

    Message = Message
    QoS = QoS
    # Options of redis-py from the store URL that kombu does not know; a transport option.
    connection_options: Mapping[str, Any] = MappingProxyType({})

    def _connparams(self, asynchronous: bool = False) -> dict[str, Any]:
        return {**super()._connparams(asynchronous), **self.connection_options}  # type: ignore[misc]

    def _put(self, queue: str, message: Any, **options: Any) -> None:
        """Appends a message to its queue. A reply to one of Celery's tools gets a time to live, because a tool that was
        killed never reads its queue.
        """
        super()._put(queue, message, **options)  # type: ignore[misc]
        if queue.endswith(_REPLY_QUEUES):
            with self.conn_or_acquire() as client:  # type: ignore[attr-defined]
                client.pexpire(queue, _REPLY_TTL_MS)

    def _queue_bind(self, exchange: str, routing_key: str, pattern: Any, queue: str) -> None:
        """Records the queue of an exchange, except for those of remote control and of events. kombu would keep a member
        in the store for each process that was ever killed, and no delivery needs it.
        """
        is_fanout = self.typeof(exchange).type == "fanout"  # type: ignore[attr-defined]
        if not is_fanout and exchange != _REPLIES:
            super()._queue_bind(exchange, routing_key, pattern, queue)  # type: ignore[misc]
            return
        self._expires.pop(queue, None)  # type: ignore[attr-defined]  # kombu would renew the member
        if is_fanout:
            self._fanout_queues[queue] = (exchange, routing_key.replace("#", "*"))  # type: ignore[attr-defined]

    def _lookup(self, exchange: str, routing_key: str, default: str | None = None) -> list[str]:
        if exchange == _REPLIES:
            return [f"{routing_key}.{exchange}"]
        return list(super()._lookup(exchange, routing_key, default))  # type: ignore[misc]

    def _brpop_start(self, timeout: Any = None) -> None:
        super()._brpop_start(timeout)  # type: ignore[misc]
        last_poll.note()

    def _brpop_read(self, **options: Any) -> Any:
        """Reads one message from Redis. A malformed message has already left its queue, so it is logged and kombu's
        `Empty` is raised, as for an empty queue.
        """
        try:
            return super()._brpop_read(**options)  # type: ignore[misc]
        except ValueError as error:
            log.warning("message.rejected", error=str(error)[:200], num_rejected=next(_rejected))
            raise Empty from error


class Channel(_Hints, redis.Channel):
    """A kombu channel to a single Redis server."""

    from_transport_options = redis.Channel.from_transport_options + _OPTIONS


class SocketChannel(Channel):
    """A kombu channel to a Redis server that listens on a Unix socket. `connection_options` has the socket's path."""

    connection_class = UnixDomainSocketConnection

    def _connparams(self, asynchronous: bool = False) -> dict[str, Any]:
        unfit = TCP_ONLY_OPTIONS | {"host", "port"}
        return {name: value for name, value in super()._connparams(asynchronous).items() if name not in unfit}


class SentinelChannel(_Hints, redis.SentinelChannel):
    """A kombu channel to the Redis primary that the sentinels name."""

    from_transport_options = redis.SentinelChannel.from_transport_options + _OPTIONS


class Transport(redis.Transport):
    """kombu's broker transport for a store that is a single Redis server. `make_celery` configures the transport."""

    Channel = Channel


class SocketTransport(redis.Transport):
    """Carries hints (Celery messages that wake workers) over a Unix socket, for a store URL such as `unix:///PATH`."""

    Channel = SocketChannel


class SentinelTransport(redis.SentinelTransport):
    """kombu's broker transport for a store whose URL names Redis sentinels. `make_celery` configures the transport."""

    Channel = SentinelChannel
