"""Reads the results of a batch from its segments in the object store, with one line in memory at a time.

A segment is an object with some hundred results. Results can be read while the batch still adds lines to segments.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Any, Self, TypeVar

from pydantic_core import from_json

from api.services import Services
from shared.batches.batch import BatchId, Segment
from shared.batches.outputs import LineNames
from shared.batches.pictures import has_succeeded, pictures_of
from shared.errors import BatchNotFound, ObjectNotFound
from shared.store.core.record_lists import readable

Converted = TypeVar("Converted")

_WHOLE = 2**31  # the longest line in bytes: large enough for pictures in base64


@dataclass(frozen=True, slots=True)
class ResultPosition:
    """A position in the results of a batch: the number of a segment, and the number of its lines already read.

    A segment is an object with some hundred results. A position stays valid while the batch adds lines to segments.
    """

    segment: int = 0
    line: int = 0

    @classmethod
    def of(cls, text: str) -> Self:
        """Parses the text form of a position. `0-17` means segment 0 and line 17."""
        segment, _, line = text.partition("-")
        return cls(int(segment), int(line))

    def __str__(self) -> str:
        return f"{self.segment}-{self.line}"


def results(
    deps: Services, batch_id: BatchId, after: ResultPosition = ResultPosition()
) -> Iterator[tuple[ResultPosition, bytes]]:
    """Yields the results of a batch that are stored so far. Each comes with the position of the next result.

    The results are raw JSON lines, in the order in which the batch's lines ended.
    """
    segments = deps.batches.segments(batch_id)
    for number in range(after.segment, len(segments)):
        read = after.line if number == after.segment else 0
        if read >= segments[number].num_lines:
            continue
        for line, raw in enumerate(islice(_lines(deps, batch_id, number, segments[number]), read, None), read + 1):
            yield ResultPosition(number, line), raw


def _lines(deps: Services, batch_id: BatchId, number: int, segment: Segment) -> Iterator[bytes]:
    try:
        found = deps.objects.lines(segment.key, most_bytes=_WHOLE)
    except ObjectNotFound:  # the segment grew: a longer object with the same beginning has replaced it
        found = deps.objects.lines(_segment_now(deps, batch_id, number).key, most_bytes=_WHOLE)
    return (raw for _, raw in found)


def _segment_now(deps: Services, batch_id: BatchId, number: int) -> Segment:
    segments = deps.batches.segments(batch_id)
    if number >= len(segments):
        raise BatchNotFound(f"{batch_id} was deleted meanwhile")
    return segments[number]


def line_of(raw: bytes) -> dict[str, Any]:
    """Parses one line of a batch's results and returns the JSON object. Raises `ValueError` and `TypeError`."""
    found = from_json(raw)
    if not isinstance(found, dict):
        raise TypeError("a result is an object")
    return found


def succeeded(deps: Services, batch_id: BatchId) -> Iterator[bytes]:
    """Yields the results of a batch's lines whose pictures have all succeeded, as JSON lines."""
    for place, raw in results(deps, batch_id):
        if any(_read(deps, batch_id, place, raw, has_succeeded)):
            yield raw + b"\n"


def pictures(deps: Services, batch_id: BatchId) -> Iterator[dict[str, Any]]:
    """Yields a description of every picture of a batch's succeeded lines: its name, location, checksum and settings."""
    names = LineNames()
    for place, raw in results(deps, batch_id):
        for found in _read(deps, batch_id, place, raw, lambda line: list(pictures_of(line, names))):
            yield from found


def _read(
    deps: Services, batch_id: BatchId, place: ResultPosition, raw: bytes, read: Callable[[dict[str, Any]], Converted]
) -> list[Converted]:
    """Converts one result line of a batch with the function `read`. Returns a list with the converted line.

    An unreadable line is logged and counted as a fault, and the list is empty. `place` is the position of the line, for
    the log.
    """
    rows = [(f"{batch_id} {place}", raw)]
    return readable(deps.fault_counts, "result", rows, lambda _, line: read(line_of(line)))
