"""Limits the number of scans, chunks and tiles in an image file before a decoder reads it. Decodes nothing."""

import struct
from collections.abc import Iterator

from shared.errors import InvalidImage

# Each scan of a JPEG passes over the whole image again. libjpeg's default for progressive files is 10 scans.
_MOST_SCANS = 100
_MOST_CHUNKS = 20_000  # chunks of a PNG; encoders write chunks of at least 8 KiB
_MOST_TILES = 40_000  # tiles or strips of a TIFF; enough for a strip per row at the maximum side of 32,768 pixels

_PNG = b"\x89PNG\r\n\x1a\n"
_JPEG = b"\xff\xd8\xff"
_START_OF_SCAN = b"\xff\xda"  # these two bytes can't occur inside the data of a scan
_CHUNK_HEAD = struct.Struct(">I4s")
_CHUNK_CRC_BYTES = 4


def check_file(data: bytes, field: str) -> None:
    """Raises `InvalidImage` for a JPEG with too many scans or a PNG with too many chunks."""
    if data.startswith(_JPEG) and data.count(_START_OF_SCAN) > _MOST_SCANS:
        raise InvalidImage(f"the picture has more than {_MOST_SCANS} scans", field)
    if data.startswith(_PNG) and any(number > _MOST_CHUNKS for number, _ in enumerate(_chunks(data), 1)):
        raise InvalidImage(f"the picture has more than {_MOST_CHUNKS} chunks", field)


def check_tiles(num_tiles: int, field: str) -> None:
    """Raises `InvalidImage` if the header of an image declares too many strips or tiles."""
    if num_tiles > _MOST_TILES:
        raise InvalidImage(f"the picture has more than {_MOST_TILES} strips or tiles", field)


def _chunks(data: bytes) -> Iterator[bytes]:
    at = len(_PNG)
    while at + _CHUNK_HEAD.size <= len(data):
        length, kind = _CHUNK_HEAD.unpack_from(data, at)
        yield kind
        at += _CHUNK_HEAD.size + length + _CHUNK_CRC_BYTES
