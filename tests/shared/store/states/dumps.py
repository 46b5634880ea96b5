"""Writes the keys of a store to a JSON file and back. Unlike the payloads of DUMP, it fits every server's version."""

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from shared.store.core.connect import Client

_READ: Mapping[str, Callable[[Client, str], Any]] = {
    "string": lambda client, key: client.get(key),
    "hash": lambda client, key: client.hgetall(key),
    "set": lambda client, key: sorted(client.smembers(key)),
    "list": lambda client, key: client.lrange(key, 0, -1),
    "zset": lambda client, key: client.zrange(key, 0, -1, withscores=True),
    "stream": lambda client, key: client.xrange(key),
}


def dump(client: Client, file: Path) -> None:
    """Writes all keys, without the times at which they expire."""
    found = {}
    for key in sorted(client.keys("*")):
        kind = str(client.type(key))
        found[key] = [kind, _READ[kind](client, key)]
    lines = ",\n".join(f"{json.dumps(key)}: {json.dumps(value)}" for key, value in found.items())
    file.write_text("{" + lines + "}\n", encoding="utf-8")


def load(client: Client, file: Path) -> None:
    """Fills an empty store with the keys of a file."""
    for key, (kind, value) in json.loads(file.read_text(encoding="utf-8")).items():
        match kind:
            case "string":
                client.set(key, value)
            case "hash":
                client.hset(key, mapping=value)
            case "set":
                client.sadd(key, *value)
            case "list":
                client.rpush(key, *value)
            case "zset":
                client.zadd(key, dict(value))
            case "stream":
                for entry_id, fields in value:
                    client.xadd(key, fields, id=entry_id)
