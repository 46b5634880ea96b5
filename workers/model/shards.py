"""Reads the heads of files of weights, and finds files that are missing, truncated or wrong before they are loaded."""

import json
import struct
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any

_LENGTH = struct.Struct("<Q")  # a safetensors file begins with the length of its JSON head
_MOST_HEAD_BYTES = 100_000_000  # as safetensors itself allows
# The bytes of an element, by the name of the type in a head. Files may have further types, which are not checked.
_ITEM_BYTES = {
    "BOOL": 1, "U8": 1, "I8": 1, "F8_E4M3": 1, "F8_E5M2": 1, "U16": 2, "I16": 2, "F16": 2, "BF16": 2,
    "U32": 4, "I32": 4, "F32": 4, "U64": 8, "I64": 8, "F64": 8,
}  # fmt: skip


class BrokenShard(Exception):
    """Raised for a file of weights that can't be read. The message says what is wrong with it."""


@dataclass(frozen=True, slots=True)
class TensorHead:
    """What the head of a file of weights says about one tensor: its type, its shape, and its bytes after the head."""

    dtype: str
    shape: Sequence[int]
    begin: int
    end: int

    @property
    def num_bytes(self) -> int:
        return self.end - self.begin

    @property
    def fault(self) -> str | None:
        """Says why the bytes can't hold the shape, or None."""
        wanted = prod(self.shape) * _ITEM_BYTES.get(self.dtype, 0)
        if self.begin < 0 or self.num_bytes < 0 or any(side < 0 for side in self.shape):
            return "has a negative size"
        if self.dtype in _ITEM_BYTES and wanted != self.num_bytes:
            return f"has {self.num_bytes} bytes, and its shape needs {wanted}"
        return None


def shards_of(part: Path) -> Sequence[Path]:
    """Returns the files of weights in a part of a checkpoint, such as the folder `transformer`, by name."""
    return sorted(part.glob("*.safetensors"))


def num_weight_bytes(folder: Path, parts: Sequence[str]) -> int:
    """Returns the bytes of all tensors in these parts of a checkpoint. Raises `BrokenShard`."""
    heads = (read_head(shard) for part in parts for shard in shards_of(folder / part))
    return sum(tensor.num_bytes for head in heads for tensor in head.values())


def broken_shards(part: Path) -> Iterator[str]:
    """Yields a sentence for each file of weights in a part of a checkpoint that is missing, truncated or unreadable, or
    that lacks a tensor of its index.

    `part` is a folder such as `transformer`. Its index, if it has one, names the files that must be there, and the
    tensors in each.
    """
    heads: dict[str, Mapping[str, TensorHead]] = {}
    faults: dict[str, str] = {}
    for shard in shards_of(part):
        try:
            heads[shard.name] = read_head(shard)
        except BrokenShard as error:
            faults[shard.name] = str(error)
    for index in sorted(part.glob("*.safetensors.index.json")):
        for name, fault in _unindexed(index, {**heads, **dict.fromkeys(faults)}):
            faults.setdefault(name, fault)
    yield from (f"{part.name}/{name} {fault}" for name, fault in faults.items())


def read_head(shard: Path) -> Mapping[str, TensorHead]:
    """Returns what the head of a safetensors file says about each tensor. Reads nothing else.

    Raises `BrokenShard` if the head can't be read, or does not describe the file's bytes: one tensor after another,
    without gaps, to the last byte.
    """
    try:
        size = shard.stat().st_size
        with shard.open("rb") as file:
            start = file.read(_LENGTH.size)
            if len(start) < _LENGTH.size:
                raise BrokenShard(f"is truncated: it has {size} bytes")
            (length,) = _LENGTH.unpack(start)
            if length > min(size - _LENGTH.size, _MOST_HEAD_BYTES):
                raise BrokenShard(f"is truncated or no file of weights: it has {size} bytes")
            head = file.read(length)
    except OSError as error:
        raise BrokenShard(f"can't be read: {error.strerror}") from error
    try:
        tensors = {name: _tensor(value) for name, value in json.loads(head).items() if name != "__metadata__"}
    except (ValueError, KeyError, TypeError, AttributeError, IndexError, RecursionError) as error:
        raise BrokenShard("is no file of weights: its head can't be read") from error
    _check_places(tensors, size - _LENGTH.size - length, size)
    return tensors


def _tensor(value: Mapping[str, Any]) -> TensorHead:
    begin, end = value["data_offsets"]
    return TensorHead(str(value["dtype"]), [int(side) for side in value["shape"]], int(begin), int(end))


def _check_places(tensors: Mapping[str, TensorHead], num_bytes: int, size: int) -> None:
    wanted = max((tensor.end for tensor in tensors.values()), default=0)
    if wanted != num_bytes:
        what = "is truncated" if wanted > num_bytes else "has more than its head says"
        raise BrokenShard(f"{what}: it has {size} of {size - num_bytes + wanted} bytes")
    end = 0
    for name, tensor in sorted(tensors.items(), key=lambda item: (item[1].begin, item[1].end)):
        if fault := tensor.fault:
            raise BrokenShard(f"has a wrong head: the tensor {name} {fault}")
        if tensor.begin != end:
            raise BrokenShard(f"has a wrong head: the tensor {name} begins at byte {tensor.begin}, not {end}")
        end = tensor.end


def _unindexed(index: Path, heads: Mapping[str, Mapping[str, TensorHead] | None]) -> Iterator[tuple[str, str]]:
    """Yields the name and the fault of each file that an index names and the folder lacks, or that lacks a tensor, or
    of the index itself. `heads` has None for a file whose head can't be read.
    """
    try:
        places: Mapping[str, str] = dict(json.loads(index.read_text())["weight_map"])
        names = sorted(set(places.values()))
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        yield index.name, "can't be read"
        return
    for name in names:
        if name not in heads:
            yield name, "is missing"
        elif (head := heads[name]) is not None:
            lacking = [tensor for tensor, file in places.items() if file == name and tensor not in head]
            if lacking:
                yield name, f"lacks {_some(lacking)}, which {index.name} names: is it the file of another model?"


def _some(tensors: Sequence[str]) -> str:
    more = f" and {len(tensors) - 1} more" if len(tensors) > 1 else ""
    return f"the tensor {tensors[0]}{more}"
