"""Reads keys of the store as records of plain values, and writes them back.

Unlike the payloads of the command DUMP, these records fit every version of Redis and Valkey.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, cast

import redis

from shared.hints.queues import CELERY_KEY_PREFIX
from shared.store.backups.changes import PREFIX
from shared.store.core.connect import Client, translated

# Name, type, time of expiry (Unix, ms) or None, value. A key that does not exist has the type `none`.
Record = tuple[str, str, int | None, Any]

NONE = "none"
STATE = "gridpress:state"
_LEFT_OUT = (STATE, "gridpress:backups")
_AT_ONCE = 1000  # members of a value in one command

_READ: Mapping[str, Callable[[Any, str], Any]] = {
    "string": lambda pipeline, name: pipeline.get(name),
    "hash": lambda pipeline, name: pipeline.hgetall(name),
    "set": lambda pipeline, name: pipeline.smembers(name),
    "list": lambda pipeline, name: pipeline.lrange(name, 0, -1),
    "zset": lambda pipeline, name: pipeline.zrange(name, 0, -1, withscores=True),
    "stream": lambda pipeline, name: pipeline.xrange(name),
}


def is_copied(name: str) -> bool:
    """Returns whether a backup has this key. It has all keys of the service but hints, which upkeep replaces, the holds
    of backups, and the version of the state, which a restore writes last.
    """
    return name.startswith(PREFIX) and not name.startswith(CELERY_KEY_PREFIX) and name not in _LEFT_OUT


def read_records(client: Client, names: Sequence[str]) -> list[Record]:
    """Reads keys in two round trips. A key that changes in between may be missing from the result, or be a mixture.

    Raises `StoreUnavailable`.
    """
    first = client.pipeline(transaction=False)
    first.time()
    for name in names:
        first.type(name)
        first.pttl(name)
    with translated():
        (seconds, microseconds), *facts = first.execute()
    now_ms = seconds * 1000 + microseconds // 1000
    found = list(zip(names, facts[::2], facts[1::2], strict=True))
    second = client.pipeline(transaction=False)
    for name, kind, _ in found:
        (_READ[kind] if kind != NONE else lambda pipeline, name: pipeline.exists(name))(second, name)
    with translated():
        values = second.execute(raise_on_error=False)
    return [
        _record(name, kind, None if left_ms < 0 else now_ms + left_ms, value)
        for (name, kind, left_ms), value in zip(found, values, strict=True)
        if not _has_changed_type(value)
    ]


def write_records(client: Client, records: Sequence[Record]) -> None:
    """Writes keys as they are in the records. Raises `StoreUnavailable`."""
    pipeline = client.pipeline(transaction=False)
    for name, kind, expires_ms, value in records:
        pipeline.unlink(name)
        if kind == NONE:
            continue
        _write(pipeline, name, kind, value)
        if expires_ms is not None:
            pipeline.pexpireat(name, expires_ms)
    with translated():
        pipeline.execute()


def _record(name: str, kind: str, expires_ms: int | None, value: Any) -> Record:
    exists = kind != NONE and value is not None and (kind == "string" or len(value) > 0)
    return (name, kind, expires_ms, _plain(kind, value)) if exists else (name, NONE, None, None)


def _has_changed_type(value: Any) -> bool:
    """Returns whether the type of a key changed between the two round trips. Raises any other error of the server."""
    if not isinstance(value, redis.RedisError):
        return False
    if str(value).startswith("WRONGTYPE"):
        return True
    with translated():
        raise value


def _plain(kind: str, value: Any) -> Any:
    match kind:
        case "set":
            return sorted(value)
        case "zset":
            return [[member, float(score)] for member, score in value]
    return value


def _write(pipeline: Any, name: str, kind: str, value: Any) -> None:
    match kind:
        case "string":
            pipeline.set(name, _raw(value))
        case "hash":
            for part in _parts(list(cast("dict[str, str]", value).items())):
                pipeline.hset(name, mapping={_raw(field): _raw(text) for field, text in part})
        case "set":
            for part in _parts(value):
                pipeline.sadd(name, *map(_raw, part))
        case "list":
            for part in _parts(value):
                pipeline.rpush(name, *map(_raw, part))
        case "zset":
            for part in _parts(value):
                pipeline.zadd(name, {_raw(member): score for member, score in part})
        case "stream":
            for entry_id, fields in value:
                pipeline.xadd(name, {_raw(field): _raw(text) for field, text in fields.items()}, id=entry_id)
        case _:
            raise ValueError(f"{kind} is not a type of key that Gridpress writes")


def _raw(text: str) -> bytes:
    """Returns the bytes of a value, also of one that is no text."""
    return text.encode("utf-8", "surrogateescape")


def _parts(members: Sequence[Any]) -> Iterator[Sequence[Any]]:
    for start in range(0, len(members), _AT_ONCE):
        yield members[start : start + _AT_ONCE]
