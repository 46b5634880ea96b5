"""Opens the connection to the one Redis or Valkey primary that holds all state."""

from collections.abc import Iterator
from contextlib import contextmanager

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from shared.errors import Misconfigured, StoreUnavailable

Client = redis.Redis


def connect(url: str | None) -> Client:
    """A client that answers text. Fails fast: callers retry, and every script may be repeated.

    Raises `Misconfigured` without a URL or against a cluster (kombu has no cluster mode), `StoreUnavailable` when
    nothing answers.
    """
    if not url:
        raise Misconfigured("no job store: run `gridpress up`, or set GRIDPRESS_REDIS_URL=redis://HOST:PORT")
    client = redis.Redis.from_url(
        url,
        decode_responses=True,
        socket_timeout=15,
        socket_connect_timeout=5,
        socket_keepalive=True,
        health_check_interval=10,
        # One immediate retry hides a connection that died while idle; an outage surfaces at once.
        retry=Retry(NoBackoff(), 1),
    )
    with translated():
        if client.info("cluster").get("cluster_enabled"):
            raise Misconfigured("GRIDPRESS_REDIS_URL is a Redis Cluster; Gridpress needs one primary")
    return client


@contextmanager
def translated() -> Iterator[None]:
    """Turns redis-py's connection errors into `StoreUnavailable`; a script's own error stays what it is."""
    try:
        yield
    except (redis.ConnectionError, redis.TimeoutError) as error:
        raise StoreUnavailable(f"the job store does not answer: {error}") from error
    except redis.ResponseError as error:
        if str(error).startswith(("LOADING", "OOM", "MISCONF", "READONLY")):
            raise StoreUnavailable(f"the job store refuses: {error}") from error
        raise
