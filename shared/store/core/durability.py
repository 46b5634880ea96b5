"""Checks how durable the store is. Refuses a store that evicts keys and, by default, a store that could lose jobs."""

from dataclasses import dataclass
from typing import Literal

import redis

from shared.errors import Misconfigured, StoreUnavailable

Wanted = Literal["checked", "declared", "relaxed"]

_ALWAYS = "always"
_RELAX = "or accept the loss with GRIDPRESS_DURABILITY=relaxed"
# Valkey starts an fsync every second. When one is late, Valkey waits up to one second more.
_EVERYSEC_WINDOW_S = 2.0


@dataclass(frozen=True, slots=True)
class Durability:
    """The durability of a store: what a crash of the store's machine may lose.

    The crash loses at most the writes of the last `window_s` seconds. If `window_s` is None, it may lose any number of
    writes.
    """

    mode: Literal["always", "relaxed"]
    window_s: float | None


def check_durability(client: "redis.Redis", wanted: Wanted) -> Durability:
    """Checks the store's settings and returns its durability. Raises `Misconfigured`, with the setting to change, if
    the durability is less than `wanted`.

    Also raises `Misconfigured` for a store that evicts keys, for a Redis Cluster and for wrong credentials. Raises
    `StoreUnavailable` while the store loads its data, because it then does not report whether it has an append-only
    file.
    """
    try:
        info = client.info()
    except redis.AuthenticationError as error:
        raise Misconfigured("the job store refuses the user or password of GRIDPRESS_REDIS_URL") from error
    if info.get("loading"):
        raise StoreUnavailable("the job store is loading its data")
    if info.get("cluster_enabled"):
        raise Misconfigured("GRIDPRESS_REDIS_URL is a Redis Cluster; Gridpress needs one primary")
    if (policy := info.get("maxmemory_policy", "noeviction")) != "noeviction":
        raise Misconfigured(f"the job store evicts jobs under maxmemory-policy {policy}: set it to noeviction")
    fsync = _fsync(client) if info.get("aof_enabled") else "no"
    if fsync is None and wanted == "declared":
        fsync = _ALWAYS
    if fsync != _ALWAYS and wanted != "relaxed":
        raise Misconfigured(_refusal_text(fsync, is_logged=bool(info.get("aof_enabled"))))
    if info.get("aof_last_write_status", "ok") != "ok" and fsync == _ALWAYS:
        raise StoreUnavailable("the job store could not write its append-only file: see its log, its disk may be full")
    return _durability_of(fsync)


def _fsync(client: "redis.Redis") -> str | None:
    """Returns the store's `appendfsync` setting, or None when the store refuses the command CONFIG, as managed stores
    do.
    """
    try:
        return client.config_get("appendfsync").get("appendfsync")
    except redis.ResponseError:
        return None


def _refusal_text(fsync: str | None, *, is_logged: bool) -> str:
    if not is_logged:
        return f"the job store has no append-only file: set appendonly yes and appendfsync always, {_RELAX}"
    if fsync is None:
        return (
            "the job store refuses CONFIG, so its appendfsync can't be read: "
            f"confirm that it is `always` with GRIDPRESS_DURABILITY=declared, {_RELAX}"
        )
    return f"the job store accepts jobs before they are on disk (appendfsync {fsync}): set appendfsync always, {_RELAX}"


def _durability_of(fsync: str | None) -> Durability:
    match fsync:
        case "always":
            return Durability("always", 0.0)
        case "everysec":
            return Durability("relaxed", _EVERYSEC_WINDOW_S)
    return Durability("relaxed", None)
