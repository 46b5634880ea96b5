"""Texts with pictures in them, in base64, that are sent without ever being in memory as a whole."""

from base64 import b64encode
from collections.abc import Iterable, Iterator, Sequence

from shared.jobs import Picture
from shared.objects import ObjectStore

Segment = bytes | Picture


def num_bytes(segments: Sequence[Segment]) -> int:
    """Of the whole text: base64 makes four characters of every three bytes."""
    return sum(len(part) if isinstance(part, bytes) else -(-part.num_bytes // 3) * 4 for part in segments)


def pieces(segments: Iterable[Segment], objects: ObjectStore) -> Iterator[bytes]:
    """One picture is read at a time, as it is sent. Raises `ObjectNotFound` and `ObjectStoreUnavailable`."""
    for segment in segments:
        if isinstance(segment, bytes):
            yield segment
        else:
            yield from _in_base64(objects.stream(segment.key))


def _in_base64(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """Chunks are cut where three bytes end, so that their texts join to that of the whole."""
    rest = b""
    for chunk in chunks:
        data = rest + chunk
        whole = len(data) // 3 * 3
        rest = data[whole:]
        yield b64encode(data[:whole])
    yield b64encode(rest)
