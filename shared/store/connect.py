"""Opens the connection to the one Redis or Valkey primary that holds all state."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from shared.errors import Misconfigured, StoreUnavailable
from shared.metrics.catalogue import STORE_ERRORS
from shared.store.durability import Wanted, check_durability
from shared.tcp import TCP_OPTIONS

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
        pool = redis.BlockingConnectionPool.from_url(
            url,
            max_connections=_NUM_CONNECTIONS,
            timeout=_CONNECTION_TIMEOUT_S,
            decode_responses=True,
            **{**CONNECTION_OPTIONS, **options},
            # One immediate retry hides a connection that died while idle; an outage surfaces at once.
            retry=Retry(NoBackoff(), 1),
        )
    except ValueError as error:  # the URL itself stays unsaid: it may hold a password
        raise Misconfigured("GRIDPRESS_REDIS_URL is not of the form redis://HOST:PORT") from error
    return redis.Redis.from_pool(pool)


class ClockInDoubt(StoreUnavailable):
    """A script ended before it did anything, because the store's clock was not checked lately (see steady.lua)."""


@contextmanager
def translated() -> Iterator[None]:
    """Raises `StoreUnavailable` for outages and temporary refusals. Errors in a script itself are raised unchanged."""
    try:
        yield
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
