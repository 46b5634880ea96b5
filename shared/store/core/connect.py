"""Opens connections to the one Redis or Valkey primary that holds all state."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry
from redis.sentinel import MasterNotFoundError, Sentinel, SentinelConnectionPool

from shared.errors import Misconfigured, StoreUnavailable
from shared.metrics.catalogue import STORE_ERRORS
from shared.process.tcp import TCP_ONLY_OPTIONS, TCP_OPTIONS
from shared.settings.store_options import InvalidStoreUrl
from shared.settings.store_url import Sentinels, Server, read_store_url
from shared.store.core.durability import Wanted, check_durability
from shared.store.core.state_version import check_state

Client = redis.Redis

_HOW_TO_SET_UP = "run `gridpress up`, or set GRIDPRESS_REDIS_URL=redis://HOST:PORT"

# Temporary refusals: a primary that is being replaced, a full memory or disk, a script that blocks the store. redis-py
# has classes for some of them. Others are recognized by the name at the start of their message. redis-py loads a script
# that the store does not know. If the store starts again just then, it does not know the script again.
_TEMPORARY_ERRORS = (
    redis.exceptions.ReadOnlyError,
    redis.OutOfMemoryError,
    redis.exceptions.MasterDownError,
    redis.exceptions.NoScriptError,
)
_TEMPORARY_NAMES = ("MISCONF", "BUSY", "NOREPLICAS")

# Up to a thousand requests of an API process may need a connection at the same moment. They wait a few milliseconds for
# a free one.
_NUM_CONNECTIONS = 64
_CONNECTION_TIMEOUT_S = 10

# Options of every connection to the store, also of kombu's. The store answers within milliseconds, so 5 s without an
# answer is an outage.
CONNECTION_OPTIONS: Mapping[str, Any] = {
    "socket_timeout": 5,
    "socket_connect_timeout": 2,
    "socket_keepalive": True,
    "socket_keepalive_options": TCP_OPTIONS,
    "health_check_interval": 10,
}


def connect(url: str | None, durability: Wanted = "checked", *, is_for_restore: bool = False) -> Client:
    """Connects to the store and returns a client that decodes values as text.

    After a lost connection the client repeats the command immediately, but only once. This is safe because every script
    may be repeated. Raises `Misconfigured` without a valid URL, for wrong credentials, for a Redis Cluster (kombu can't
    use one), for a store less durable than `durability` and for one of a release whose state this release can't read.
    Raises `StoreUnavailable` when nothing answers. A store for a restore may be one whose restore was cut short.
    """
    if not url:
        raise Misconfigured(f"no job store: {_HOW_TO_SET_UP}")
    client = _client(url)
    try:
        with translated():
            check_durability(client, durability)
            if not is_for_restore:
                check_state(client)
    except StoreUnavailable as error:
        raise StoreUnavailable(f"{str(error).rstrip('.')}: {_HOW_TO_SET_UP}") from error
    return client


def connect_to_copy(url: str) -> Client:
    """Returns a client for backups and restores. It keeps bytes that are no text, gets reports of changed keys
    (RESP 3), and waits longer for large values.
    """
    return _client(
        url,
        protocol=3,
        encoding_errors="surrogateescape",
        socket_timeout=60,
        health_check_interval=0,
        retry=Retry(NoBackoff(), 0),
    )


def connect_with_timeout(url: str, timeout_s: float) -> Client:
    """Returns a client whose commands time out after `timeout_s`. Heartbeats use it, so that several tries fit into one
    lease.
    """
    return _client(url, socket_timeout=timeout_s, socket_connect_timeout=timeout_s)


def _client(url: str, **options: Any) -> Client:
    try:
        found = read_store_url(url)
    except InvalidStoreUrl as error:
        raise Misconfigured(f"GRIDPRESS_REDIS_URL {error}") from error
    pool = _server_pool(found, options) if isinstance(found, Server) else _sentinel_pool(found, options)
    return redis.Redis.from_pool(pool)


def _server_pool(found: Server, options: Mapping[str, Any]) -> redis.ConnectionPool:
    given = {**_pool_options(found.options, options), **found.store_options, **(found.tls or {})}
    if found.socket_path:
        given = {name: value for name, value in given.items() if name not in TCP_ONLY_OPTIONS}
    return redis.BlockingConnectionPool(connection_class=_connection_class(found), **given)  # type: ignore[no-untyped-call]


def _connection_class(found: Server) -> type[redis.Connection | redis.UnixDomainSocketConnection]:
    if found.socket_path:
        return redis.UnixDomainSocketConnection
    return redis.SSLConnection if found.tls is not None else redis.Connection


def _sentinel_pool(found: Sentinels, options: Mapping[str, Any]) -> redis.ConnectionPool:
    """Returns a connection pool that asks Redis Sentinel for the address of the primary whenever it opens
    a connection.
    """
    given = _pool_options(found.options, options)
    times = {name: value for name, value in given.items() if name.startswith("socket_")}
    sentinels = Sentinel(found.hosts, sentinel_kwargs={**times, **found.sentinel_options})  # type: ignore[no-untyped-call]
    tls = {} if found.tls is None else {"ssl": True, **found.tls}
    return _SentinelPool(found.name, sentinels, **tls, **found.store_options, **given)  # type: ignore[no-untyped-call]


def _pool_options(of_url: Mapping[str, Any], options: Mapping[str, Any]) -> dict[str, Any]:
    """Returns the options of a connection pool. The timeouts of a caller come before those of the URL, because a
    heartbeat has to end within its lease.
    """
    return {
        "max_connections": _NUM_CONNECTIONS,
        "timeout": _CONNECTION_TIMEOUT_S,
        "decode_responses": True,
        # One immediate retry hides a connection that died while idle; an outage surfaces at once.
        "retry": Retry(NoBackoff(), 1),
        **CONNECTION_OPTIONS,
        **of_url,
        **options,
    }


class _SentinelPool(SentinelConnectionPool, redis.BlockingConnectionPool):
    """A connection pool for Redis Sentinel. When all connections are in use, a caller waits for a free one, as in
    redis-py's blocking pool.
    """


class ClockNotVerified(StoreUnavailable):
    """Says that a script ended before it did anything. The reason is that the last check of the store's clock is too
    old (see clock.lua).
    """


@contextmanager
def translated() -> Iterator[None]:
    """In the body of the `with` statement, raises `StoreUnavailable` in place of those errors of redis-py that mean an
    outage or a temporary refusal.

    Errors of a script itself are raised unchanged.
    """
    try:
        yield
    # the rest of the message lists the error of each sentinel as a redis-py object
    except MasterNotFoundError as error:
        found = str(error).partition(" : ")[0]
        raise _unavailable(f"{found}: no sentinel that answers knows a primary of this name") from error
    except redis.exceptions.InvalidResponse as error:  # for example from an HTTP server, or from a TLS port without TLS
        raise _unavailable("the server at GRIDPRESS_REDIS_URL is not a Redis or Valkey") from error
    except (redis.ConnectionError, redis.TimeoutError) as error:
        raise _unavailable(f"the job store does not answer: {error}") from error
    except redis.ResponseError as error:
        if "CLOCK not looked at" in str(error):
            raise ClockNotVerified("the job store's clock was not checked lately") from error
        if isinstance(error, _TEMPORARY_ERRORS) or str(error).startswith(_TEMPORARY_NAMES):
            raise _unavailable(f"the job store refuses: {error}") from error
        raise


def _unavailable(why: str) -> StoreUnavailable:
    STORE_ERRORS.inc()
    return StoreUnavailable(why)
