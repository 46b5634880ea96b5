"""Streams JSON texts that contain pictures in base64, with only a piece of one picture in memory at a time.

A text is a sequence of segments. A segment is bytes, or a picture, which is sent as base64.
"""

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
_IN_MEMORY_BYTES = 1024 * 1024  # a larger picture goes to disk, since a thousand slow clients may read one each


def num_bytes(segments: Sequence[Segment]) -> int:
    """Returns the length in bytes of the text that the segments (bytes or pictures) make up. Base64 turns 3 bytes into
    4 characters.
    """
    return sum(len(part) if isinstance(part, bytes) else -(-part.num_bytes // 3) * 4 for part in segments)


def pieces(segments: Iterable[Segment], objects: ObjectStore) -> Iterator[bytes]:
    """Yields the text of the segments in pieces. Each picture is read from the object store while it is sent.

    Raises `ObjectNotFound` and `ObjectStoreUnavailable`.
    """
    for segment in segments:
        if isinstance(segment, bytes):
            yield segment
        else:
            yield from _in_base64(objects.stream(segment.key))


@contextmanager
def read_completely(picture: Picture, objects: ObjectStore) -> Iterator[Callable[[Iterable[Segment]], Iterator[bytes]]]:
    """Reads a picture completely. Yields a function that turns segments (bytes, or this picture) into pieces of the
    text.

    The picture is in memory or in a temporary file, so the function can't fail: a text that has begun is always
    completed. Raises `ObjectNotFound` and `ObjectStoreUnavailable` before it yields.
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
    """Yields the chunks in base64.

    The chunks are split at multiples of three bytes, so that the results can be joined.
    """
    rest = b""
    for chunk in chunks:
        data = rest + chunk
        whole = len(data) // 3 * 3
        rest = data[whole:]
        yield b64encode(data[:whole])
    yield b64encode(rest)
