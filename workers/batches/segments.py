"""Stores the results of a batch as objects of a few hundred JSON lines, called segments.

If the last segment is small, new results do not become a segment of their own. A larger segment, with the old lines and
the new ones, replaces the last segment.
"""

from collections.abc import Sequence

from shared.batches.batch import Segment, folder_of
from shared.ids import ObjectKey
from shared.objects.store import ObjectStore
from shared.store.batch_work.work import BatchLease

_JSON_LINES = "application/jsonl"
_SMALL_LINES, _SMALL_BYTES = 256, 1024 * 1024


def is_small(segment: Segment) -> bool:
    """Returns whether a segment is small enough to be replaced by one with more lines.

    Without replacement, a slow batch would end with one object for each line.
    """
    return segment.num_lines < _SMALL_LINES and segment.num_bytes < _SMALL_BYTES


def store_segment(objects: ObjectStore, lease: BatchLease, number: int, lines: Sequence[bytes]) -> Segment:
    """Stores result lines as a new segment (an object with a few hundred lines) of the batch. Returns the segment.
    `number` is the index of the segment in the batch, from 0.

    The object key contains the holder of the batch's lease, so no other worker writes the same object.
    """
    return _store(objects, lease, number, b"".join(lines), len(lines))


def replace_segment(
    objects: ObjectStore, lease: BatchLease, number: int, last: Segment, more: Sequence[bytes]
) -> Segment:
    """Stores a segment that replaces the batch's last segment, and returns the new segment.

    The new segment has the lines of the last segment, followed by `more`.
    """
    data = objects.get(last.key) + b"".join(more)
    return _store(objects, lease, number, data, last.num_lines + len(more))


def _store(objects: ObjectStore, lease: BatchLease, number: int, data: bytes, num_lines: int) -> Segment:
    key = ObjectKey(f"{folder_of(lease.batch_id)}results/{number:06d}-{num_lines}-{lease.holder}.jsonl")
    objects.put(key, data, _JSON_LINES)
    return Segment(key, num_lines, len(data))
