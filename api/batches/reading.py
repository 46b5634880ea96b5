"""Reads the results of a batch from its segments, also while they grow, with one line in memory."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Any, Self, TypeVar

from pydantic_core import from_json

from api.services import Services
from shared.batches.batch import BatchId, Segment
from shared.errors import BatchNotFound, ObjectNotFound
from shared.store.core.record_lists import readable

Told = TypeVar("Told")

_WHOLE = 2**31  # pictures in base64 are not cut


@dataclass(frozen=True, slots=True)
class Place:
    """A position between two results: a segment and the number of its lines that were read. Stays valid while segments
    grow.
    """

    segment: int = 0
    line: int = 0

    @classmethod
    def of(cls, text: str) -> Self:
        """Parses the text that `str` makes of a place."""
        segment, _, line = text.partition("-")
        return cls(int(segment), int(line))

    def __str__(self) -> str:
        return f"{self.segment}-{self.line}"


def results(house: Services, batch_id: BatchId, after: Place = Place()) -> Iterator[tuple[Place, bytes]]:
    """Yields the results stored so far, in the order in which lines ended, each with the position after it."""
    segments = house.batches.segments(batch_id)
    for number in range(after.segment, len(segments)):
        read = after.line if number == after.segment else 0
        if read >= segments[number].num_lines:
            continue
        for line, raw in enumerate(islice(_lines(house, batch_id, number, segments[number]), read, None), read + 1):
            yield Place(number, line), raw


def _lines(house: Services, batch_id: BatchId, number: int, segment: Segment) -> Iterator[bytes]:
    try:
        found = house.objects.lines(segment.key, most_bytes=_WHOLE)
    except ObjectNotFound:  # it was replaced by one that begins alike
        found = house.objects.lines(_segment_now(house, batch_id, number).key, most_bytes=_WHOLE)
    return (raw for _, raw in found)


def _segment_now(house: Services, batch_id: BatchId, number: int) -> Segment:
    segments = house.batches.segments(batch_id)
    if number >= len(segments):
        raise BatchNotFound(f"{batch_id} was deleted meanwhile")
    return segments[number]


def line_of(raw: bytes) -> dict[str, Any]:
    """Parses a result. Raises `ValueError` and `TypeError`."""
    found = from_json(raw)
    if not isinstance(found, dict):
        raise TypeError("a result is an object")
    return found


def succeeded(house: Services, batch_id: BatchId) -> Iterator[bytes]:
    """Yields the lines of which all pictures succeeded."""
    for place, raw in results(house, batch_id):
        if any(_read(house, batch_id, place, raw, _has_succeeded)):
            yield raw + b"\n"


def pictures(house: Services, batch_id: BatchId) -> Iterator[dict[str, Any]]:
    """Yields a description of every picture of the lines that succeeded."""
    for place, raw in results(house, batch_id):
        for found in _read(house, batch_id, place, raw, lambda line: list(_pictures_of(line))):
            yield from found


def _read(
    house: Services, batch_id: BatchId, place: Place, raw: bytes, read: Callable[[dict[str, Any]], Told]
) -> list[Told]:
    """Returns what `read` makes of one line, in a list that is empty for an unreadable line."""
    rows = [(f"{batch_id} {place}", raw)]
    return readable(house.fault_counts, "result", rows, lambda _, line: read(line_of(line)))


def _has_succeeded(line: dict[str, Any]) -> bool:
    return bool(line["response"]) and line["response"]["status_code"] == 200


def _pictures_of(line: dict[str, Any]) -> Iterator[dict[str, Any]]:
    if not _has_succeeded(line):
        return
    body = line["response"]["body"]
    for index, image in enumerate(body.get("images") or body["data"]):
        width, height = (body["width"], body["height"]) if "images" in body else map(int, body["size"].split("x"))
        yield {
            "custom_id": line["custom_id"],
            "line": line["line"],
            "index": index,
            "job_id": line["job_id"],
            "key": image["key"],
            "sha256": image["sha256"],
            "bytes": image["bytes"],
            "content_type": f"image/{body['output_format']}",
            "url": image["url"],
            "prompt": body.get("prompt") or image["prompt"],
            "seed": image["seed"],
            "width": width,
            "height": height,
        }
