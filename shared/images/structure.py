"""Limits the structure of a picture's file before a decoder reads it. Decodes nothing."""

import struct
from collections.abc import Iterator

from shared.errors import InvalidImage

# libjpeg's own script for progressive files has 10; each scan goes over the whole picture again.
_MOST_SCANS = 100
_MOST_CHUNKS = 20_000  # of a PNG; encoders write the pixels in chunks of 8 KiB and more
_MOST_TILES = 40_000  # of a TIFF: a strip for each row of the longest picture

_PNG = b"\x89PNG\r\n\x1a\n"
_JPEG = b"\xff\xd8\xff"
_START_OF_SCAN = b"\xff\xda"  # a pair of bytes that can't stand among a scan's own
_CHUNK_HEAD = struct.Struct(">I4s")
_CHUNK_CRC_BYTES = 4


def check_file(data: bytes, field: str) -> None:
    """Raises `InvalidImage` for a file with too many scans (JPEG) or chunks (PNG)."""
    if data.startswith(_JPEG) and data.count(_START_OF_SCAN) > _MOST_SCANS:
        raise InvalidImage(f"the picture has more than {_MOST_SCANS} scans", field)
    if data.startswith(_PNG) and any(number > _MOST_CHUNKS for number, _ in enumerate(_chunks(data), 1)):
        raise InvalidImage(f"the picture has more than {_MOST_CHUNKS} chunks", field)


def check_tiles(num_tiles: int, field: str) -> None:
    """Raises `InvalidImage` for a file whose header declares too many strips or tiles."""
    if num_tiles > _MOST_TILES:
        raise InvalidImage(f"the picture has more than {_MOST_TILES} strips or tiles", field)


def _chunks(data: bytes) -> Iterator[bytes]:
    at = len(_PNG)
    while at + _CHUNK_HEAD.size <= len(data):
        length, kind = _CHUNK_HEAD.unpack_from(data, at)
        yield kind
        at += _CHUNK_HEAD.size + length + _CHUNK_CRC_BYTES
