"""Texts with pictures in them, in base64, that are sent without ever being in memory as a whole."""

import tempfile
from base64 import b64encode
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import IO

from shared.jobs.job import Picture
from shared.objects.store import ObjectStore

Segment = bytes | Picture

_CHUNK_BYTES = 256 * 1024
_IN_MEMORY_BYTES = 1024 * 1024  # of one picture; a thousand slow clients may each be at one


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


@contextmanager
def at_hand(picture: Picture, objects: ObjectStore) -> Iterator[Callable[[Iterable[Segment]], Iterator[bytes]]]:
    """What makes pieces of a text with this picture in it, and can't fail any more: the picture was read to its end.

    For what must not break off once it has begun. Raises as `pieces` does.
    """
    with tempfile.SpooledTemporaryFile(max_size=_IN_MEMORY_BYTES) as file:
        for chunk in objects.stream(picture.key):
            file.write(chunk)
        file.seek(0)
        yield lambda segments: _with(segments, file)


def _with(segments: Iterable[Segment], file: IO[bytes]) -> Iterator[bytes]:
    for segment in segments:
        if isinstance(segment, bytes):
            yield segment
        else:
            yield from _in_base64(iter(partial(file.read, _CHUNK_BYTES), b""))


def _in_base64(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """Chunks are cut where three bytes end, so that their texts join to that of the whole."""
    rest = b""
    for chunk in chunks:
        data = rest + chunk
        whole = len(data) // 3 * 3
        rest = data[whole:]
        yield b64encode(data[:whole])
    yield b64encode(rest)
