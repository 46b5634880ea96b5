"""Finds missing and truncated files of weights before they are loaded. Reads only the head of each file."""

import json
import struct
from collections.abc import Iterator
from pathlib import Path

_LENGTH = struct.Struct("<Q")  # a safetensors file begins with the length of its JSON head
_MOST_HEAD_BYTES = 100_000_000  # as safetensors itself allows


def broken_shards(part: Path) -> Iterator[str]:
    """Yields a sentence for each file of weights in a part of a checkpoint that is missing, truncated or unreadable.

    `part` is a folder such as `transformer`. Its index, if it has one, names the files that must be there.
    """
    for index in sorted(part.glob("*.safetensors.index.json")):
        yield from (f"{part.name}/{name} {fault}" for name, fault in _unindexed(part, index))
    for shard in sorted(part.glob("*.safetensors")):
        if fault := _fault_of(shard):
            yield f"{part.name}/{shard.name} {fault}"


def _unindexed(part: Path, index: Path) -> Iterator[tuple[str, str]]:
    """Yields the name and the fault of each file that an index names and the folder lacks, or of the index itself."""
    try:
        names = sorted(set(json.loads(index.read_text())["weight_map"].values()))
    except (ValueError, KeyError, TypeError, AttributeError):
        yield index.name, "can't be read"
        return
    yield from ((name, "is missing") for name in names if not (part / name).exists())


def _fault_of(shard: Path) -> str | None:
    """Returns what is wrong with a safetensors file, or None. The head names the last byte that the file must have."""
    size = shard.stat().st_size
    with shard.open("rb") as file:
        start = file.read(_LENGTH.size)
        if len(start) < _LENGTH.size:
            return f"is truncated: it has {size} bytes"
        (length,) = _LENGTH.unpack(start)
        if length > min(size - _LENGTH.size, _MOST_HEAD_BYTES):
            return f"is truncated or no file of weights: it has {size} bytes"
        head = file.read(length)
    try:
        tensors = [value for name, value in json.loads(head).items() if name != "__metadata__"]
        wanted = _LENGTH.size + length + max((tensor["data_offsets"][1] for tensor in tensors), default=0)
    except (ValueError, KeyError, TypeError, AttributeError, IndexError):
        return "is no file of weights: its head can't be read"
    return None if size == wanted else f"is truncated: it has {size} of {wanted} bytes"
