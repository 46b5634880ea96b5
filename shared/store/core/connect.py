"""Opens the connection to the one Redis or Valkey primary that holds all state."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry
from redis.sentinel import MasterNotFoundError, Sentinel, SentinelConnectionPool

from shared.errors import Misconfigured, StoreUnavailable
from shared.metrics.catalogue import STORE_ERRORS
from shared.process.tcp import TCP_OPTIONS
from shared.settings.store_url import is_sentinel, read_sentinels
from shared.store.core.durability import Wanted, check_durability

Client = redis.Redis

_HOW_TO_GET_ONE = "run `gridpress up`, or set GRIDPRESS_REDIS_URL=redis://HOST:PORT"

# Refusals that pass: a primary being replaced, a full memory or disk, a script that holds everything up. redis-py has
# classes for some and leaves others their name at the head of the message.
_PASSING = (redis.exceptions.ReadOnlyError, redis.OutOfMemoryError, redis.exceptions.MasterDownError)
_PASSING_NAMES = ("MISCONF", "BUSY", "NOREPLICAS")

# A thousand requests of an API may want one in the same moment. They take turns of milliseconds.
_NUM_CONNECTIONS = 64
_CONNECTION_TIMEOUT_S = 10

# Of every connection to the store, kombu's included. An answer takes milliseconds: 5 s without one is an outage.
CONNECTION_OPTIONS: Mapping[str, Any] = {
    "socket_timeout": 5,
    "socket_connect_timeout": 2,
    "socket_keepalive": True,
    "socket_keepalive_options": TCP_OPTIONS,
    "health_check_interval": 10,
}


def connect(url: str | None, durability: Wanted = "checked") -> Client:
    """Connects and returns a client that decodes values as text. It does not retry: callers may repeat every script.

    Raises `Misconfigured` without a valid URL, for wrong credentials, for a cluster (kombu has no cluster mode) and for
    a store less durable than `durability`. Raises `StoreUnavailable` when nothing answers.
    """
    if not url:
        raise Misconfigured(f"no job store: {_HOW_TO_GET_ONE}")
    client = _client(url)
    try:
        with translated():
            check_durability(client, durability)
    except StoreUnavailable as error:
        raise StoreUnavailable(f"{str(error).rstrip('.')}: {_HOW_TO_GET_ONE}") from error
    return client


def connect_hasty(url: str, timeout_s: float) -> Client:
    """Connects with a time-out of `timeout_s` for a command, so that a heartbeat can be tried often within
    one lease.
    """
    return _client(url, socket_timeout=timeout_s, socket_connect_timeout=timeout_s)


def _client(url: str, **options: float) -> Client:
    try:
        pool = _sentinel_pool(url, options) if is_sentinel(url) else _pool(url, options)
    except ValueError as error:  # the URL itself stays unsaid: it may hold a password
        form = "sentinel://HOST:PORT,HOST:PORT/NAME" if url.startswith("sentinel") else "redis://HOST:PORT"
        raise Misconfigured(f"GRIDPRESS_REDIS_URL is not of the form {form}") from error
    return redis.Redis.from_pool(pool)


def _pool(url: str, options: Mapping[str, float]) -> redis.ConnectionPool:
    return redis.BlockingConnectionPool.from_url(url, **_pool_options(options))


def _sentinel_pool(url: str, options: Mapping[str, float]) -> redis.ConnectionPool:
    """Returns a pool whose new connections ask the sentinels for the primary."""
    found = read_sentinels(url)
    times = {name: value for name, value in {**CONNECTION_OPTIONS, **options}.items() if name.startswith("socket_")}
    sentinels = Sentinel(found.hosts, sentinel_kwargs={**times, **found.sentinel_options})  # type: ignore[no-untyped-call]
    tls = {} if found.tls is None else {"ssl": True, **found.tls}
    return _SentinelPool(  # type: ignore[no-untyped-call]
        found.name, sentinels, **tls, **found.store_options, **_pool_options(options)
    )


def _pool_options(options: Mapping[str, float]) -> dict[str, Any]:
    return {
        "max_connections": _NUM_CONNECTIONS,
        "timeout": _CONNECTION_TIMEOUT_S,
        "decode_responses": True,
        # One immediate retry hides a connection that died while idle; an outage surfaces at once.
        "retry": Retry(NoBackoff(), 1),
        **CONNECTION_OPTIONS,
        **options,
    }


class _SentinelPool(SentinelConnectionPool, redis.BlockingConnectionPool):
    """redis-py's pool for sentinels, whose users wait for a free connection as those of the plain pool do."""


class ClockInDoubt(StoreUnavailable):
    """A script ended before it did anything, because the store's clock was not checked lately (see steady.lua)."""


@contextmanager
def translated() -> Iterator[None]:
    """Raises `StoreUnavailable` for outages and temporary refusals. Errors in a script itself are raised unchanged."""
    try:
        yield
    except MasterNotFoundError as error:  # its text goes on with the fault of each sentinel, as objects of redis-py
        found = str(error).partition(" : ")[0]
        raise _unavailable(f"{found}: no sentinel that answers knows a primary of this name") from error
    except redis.exceptions.InvalidResponse as error:  # as of an HTTP server, or of TLS met without it
        raise _unavailable("what answers at GRIDPRESS_REDIS_URL does not speak as a Redis or Valkey") from error
    except (redis.ConnectionError, redis.TimeoutError) as error:
        raise _unavailable(f"the job store does not answer: {error}") from error
    except redis.ResponseError as error:
        if "CLOCK not looked at" in str(error):
            raise ClockInDoubt("nobody looks at the job store's clock") from error
        if isinstance(error, _PASSING) or str(error).startswith(_PASSING_NAMES):
            raise _unavailable(f"the job store refuses: {error}") from error
        raise


def _unavailable(why: str) -> StoreUnavailable:
    STORE_ERRORS.inc()
    return StoreUnavailable(why)
