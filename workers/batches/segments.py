"""Stores results as objects of some hundred JSON lines. A small last one is replaced by one that holds more."""

from collections.abc import Sequence

from shared.batches.batch import Segment, folder_of
from shared.ids import ObjectKey
from shared.objects.store import ObjectStore
from shared.store.batch_work.work import BatchLease

_JSON_LINES = "application/jsonl"
_SMALL_LINES, _SMALL_BYTES = 256, 1024 * 1024


def is_small(segment: Segment) -> bool:
    """Whether it is worth writing again: else a slow batch would end as an object a line."""
    return segment.num_lines < _SMALL_LINES and segment.num_bytes < _SMALL_BYTES


def store_segment(objects: ObjectStore, lease: BatchLease, number: int, lines: Sequence[bytes]) -> Segment:
    """A new segment, `number` from 0. No other writer has its key, and it is never written again."""
    return _store(objects, lease, number, b"".join(lines), len(lines))


def replace_segment(
    objects: ObjectStore, lease: BatchLease, number: int, last: Segment, more: Sequence[bytes]
) -> Segment:
    """All that the last segment holds, and more."""
    data = objects.get(last.key) + b"".join(more)
    return _store(objects, lease, number, data, last.num_lines + len(more))


def _store(objects: ObjectStore, lease: BatchLease, number: int, data: bytes, num_lines: int) -> Segment:
    key = ObjectKey(f"{folder_of(lease.batch_id)}results/{number:06d}-{num_lines}-{lease.holder}.jsonl")
    objects.put(key, data, _JSON_LINES)
    return Segment(key, num_lines, len(data))
