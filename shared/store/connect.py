"""Opens the connection to the one Redis or Valkey primary that holds all state."""

from collections.abc import Iterator
from contextlib import contextmanager

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from shared.errors import Misconfigured, StoreUnavailable

Client = redis.Redis

_HOW_TO_GET_ONE = "run `gridpress up`, or set GRIDPRESS_REDIS_URL=redis://HOST:PORT"

# Refusals that pass: a primary being replaced, a full memory or disk, a script that holds everything up. redis-py has
# classes for some and leaves others their name at the head of the message.
_PASSING = (redis.exceptions.ReadOnlyError, redis.OutOfMemoryError, redis.exceptions.MasterDownError)
_PASSING_NAMES = ("MISCONF", "BUSY", "NOREPLICAS")


def connect(url: str | None) -> Client:
    """A client that answers text. Fails fast: callers retry, and every script may be repeated.

    Raises `Misconfigured` without a URL that can be read or against a cluster (kombu has no cluster mode),
    `StoreUnavailable` when nothing answers.
    """
    if not url:
        raise Misconfigured(f"no job store: {_HOW_TO_GET_ONE}")
    client = _client(url)
    try:
        with translated():
            is_cluster = client.info("cluster").get("cluster_enabled")
    except StoreUnavailable as error:
        raise StoreUnavailable(f"{str(error).rstrip('.')}: {_HOW_TO_GET_ONE}") from error
    if is_cluster:
        raise Misconfigured("GRIDPRESS_REDIS_URL is a Redis Cluster; Gridpress needs one primary")
    return client


def _client(url: str) -> Client:
    try:
        return redis.Redis.from_url(
            url,
            decode_responses=True,
            socket_timeout=15,
            socket_connect_timeout=5,
            socket_keepalive=True,
            health_check_interval=10,
            # One immediate retry hides a connection that died while idle; an outage surfaces at once.
            retry=Retry(NoBackoff(), 1),
        )
    except ValueError as error:  # the URL itself stays unsaid: it may hold a password
        raise Misconfigured("GRIDPRESS_REDIS_URL is not of the form redis://HOST:PORT") from error


@contextmanager
def translated() -> Iterator[None]:
    """Turns outages and refusals that pass into `StoreUnavailable`; a script's own error stays what it is."""
    try:
        yield
    except (redis.ConnectionError, redis.TimeoutError) as error:
        raise StoreUnavailable(f"the job store does not answer: {error}") from error
    except redis.ResponseError as error:
        if isinstance(error, _PASSING) or str(error).startswith(_PASSING_NAMES):
            raise StoreUnavailable(f"the job store refuses: {error}") from error
        raise
