"""Reads the size of a normalised image from its PNG header. Loads no decoder."""

import struct

_SIZE, _SIZE_AT = struct.Struct(">II"), 16  # width and height in a PNG's first chunk, the header; offset in bytes


def size_px(png: bytes) -> tuple[int, int]:
    """Returns the width and height of a normalised image from its PNG header."""
    width, height = _SIZE.unpack_from(png, _SIZE_AT)
    return width, height
