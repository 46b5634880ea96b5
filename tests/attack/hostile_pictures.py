"""Pictures that are to break whoever opens them. Each is small and made here; `HOSTILE` names its kind."""

import struct
import zlib
from collections.abc import Callable
from io import BytesIO
from typing import Any

from PIL import Image

import shared.images.formats  # noqa: F401 - registers the encoder of HEIC files

Make = Callable[[], bytes]

_PNG = b"\x89PNG\r\n\x1a\n"


def encoded(image: Image.Image, format: str = "PNG", **options: Any) -> bytes:
    file = BytesIO()
    image.save(file, format, **options)
    return file.getvalue()


def chunk(kind: bytes, content: bytes = b"") -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def zeros(num_bytes: int, tail: bytes = b"") -> bytes:
    """Deflated without ever holding them."""
    deflate, piece = zlib.compressobj(9), bytes(1_000_000)
    parts = [deflate.compress(piece) for _ in range(num_bytes // len(piece))]
    return b"".join([*parts, deflate.compress(bytes(num_bytes % len(piece)) + tail), deflate.flush()])


def png(width: int, height: int, *extra: bytes, depth: int = 8, colour: int = 0, rows: bytes | None = None) -> bytes:
    header = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)
    body = zlib.compress((b"\0" + bytes(width)) * height) if rows is None else rows
    return b"".join([_PNG, chunk(b"IHDR", header), *extra, chunk(b"IDAT", body), chunk(b"IEND")])


def jpeg_of_scans(number: int) -> bytes:
    """A progressive file whose last scan, which refines nothing, comes again and again."""
    data = encoded(Image.new("RGB", (4_000, 4_000)), "JPEG", progressive=True)
    start = data.rindex(b"\xff\xda")
    return data[:start] + data[start:-2] * number + data[-2:]


def jpeg_of_size(width: int, height: int) -> bytes:
    data = bytearray(encoded(Image.new("RGB", (64, 64)), "JPEG"))
    at = data.index(b"\xff\xc0") + 5
    data[at : at + 4] = struct.pack(">HH", height, width)
    return bytes(data)


def jpeg_of_segments(number: int) -> bytes:
    data = encoded(Image.new("RGB", (64, 64)), "JPEG")
    return data[:2] + b"\xff\xfe\x00\x02" * number + data[2:]


def webp_of_size(width: int, height: int) -> bytes:
    content = struct.pack("<BI", 0x2F, (width - 1) | (height - 1) << 14) + bytes(64)
    return b"RIFF" + struct.pack("<I", 12 + len(content)) + b"WEBPVP8L" + struct.pack("<I", len(content)) + content


def animation(format: str, number: int) -> bytes:
    frames = [Image.new("L", (16, 16), index % 256) for index in range(number)]
    return encoded(frames[0], format, save_all=True, append_images=frames[1:])


Tags = dict[int, tuple[int, int, int | bytes]]  # tag -> type, count, value or the bytes of more than one


def tiff(tags: Tags, *, after: bytes = b"", next_ifd: int = 0) -> bytes:
    """Little-endian, one directory at 8, then what its values point to."""
    entries, values = b"", b""
    base = 8 + 2 + 12 * len(tags) + 4
    for tag, (kind, count, value) in sorted(tags.items()):
        if isinstance(value, bytes):
            entries += struct.pack("<HHII", tag, kind, count, base + len(values))
            values += value
        else:
            entries += struct.pack("<HHII", tag, kind, count, value)
    return b"II*\0" + struct.pack("<IH", 8, len(tags)) + entries + struct.pack("<I", next_ifd) + values + after


def plain_tags(width: int, height: int, **more: Any) -> Tags:
    """8-bit grey, one strip."""
    tags: Tags = {256: (4, 1, width), 257: (4, 1, height), 258: (3, 1, 8), 259: (3, 1, 1), 262: (3, 1, 1)}
    tags |= {273: (4, 1, 8), 277: (3, 1, 1), 278: (4, 1, height), 279: (4, 1, min(width * height, 2**32 - 1))}
    return tags | more.get("tags", {})


def tiff_of_strips(number: int) -> bytes:
    """Each of one row of one pixel, and all of them at the same place."""
    offsets = struct.pack("<I", 8) * number
    strips: Tags = {273: (4, number, offsets), 278: (4, 1, 1), 279: (4, number, struct.pack("<I", 1) * number)}
    return tiff(plain_tags(1, number, tags=strips))


def tiff_of_tiles(side: int) -> bytes:
    number = side * side
    tags = plain_tags(side, side)
    for tag in (273, 278, 279):
        del tags[tag]
    tags |= {322: (3, 1, 1), 323: (3, 1, 1), 324: (4, number, struct.pack("<I", 8) * number)}
    return tiff(tags | {325: (4, number, struct.pack("<I", 1) * number)})


def tiff_of_many_pages(number: int) -> bytes:
    """Directories of one tag that follow each other."""
    pages = b"".join(struct.pack("<HHHIII", 1, 256, 4, 1, 1, 8 + 18 * (index + 1)) for index in range(number))
    return b"II*\0" + struct.pack("<I", 8) + pages


def bmp(width: int, height: int, bits: int = 24, compression: int = 0, pixels: bytes = b"") -> bytes:
    palette = bytes(1024) if bits == 8 else b""
    info = struct.pack("<IiiHHIIiiII", 40, width, height, 1, bits, compression, len(pixels), 0, 0, 0, 0)
    offset = 14 + len(info) + len(palette)
    return b"BM" + struct.pack("<IHHI", offset + len(pixels), 0, 0, offset) + info + palette + pixels


def gif(width: int, height: int, blocks: bytes = b"", code_size: int = 8) -> bytes:
    screen = b"GIF89a" + struct.pack("<HHBBB", width, height, 0xF7, 0, 0) + bytes(768)
    image = b"," + struct.pack("<HHHHB", 0, 0, width, height, 0) + bytes([code_size]) + b"\x01\x00\x00"
    return screen + blocks + image + b";"


def of_size(format: str, width: int, height: int) -> bytes:
    """An AVIF or HEIC file of 64x64 pixels that names another size in its header."""
    data = encoded(Image.new("RGB", (64, 64)), format)
    at = data.index(b"ispe") + 8
    return data[:at] + struct.pack(">II", width, height) + data[at + 8 :]


def boxes(brand: bytes, depth: int) -> bytes:
    """An AVIF or HEIC file of boxes within boxes."""
    meta = b"".join(struct.pack(">I", 12 * (depth - level) + 8) + b"meta\0\0\0\0" for level in range(depth))
    return struct.pack(">I", 20) + b"ftyp" + brand + b"\0\0\0\0mif1" + meta


def ico() -> bytes:
    return encoded(Image.new("RGB", (64, 64)), "ICO")


def _itxt(num_bytes: int) -> bytes:
    return chunk(b"iTXt", b"bomb\0\1\0\0\0" + zeros(num_bytes))


def _exif_loop() -> bytes:
    """A sub-directory that points to itself."""
    exif = b"Exif\0\0II*\0\x08\0\0\0" + struct.pack("<HHHIII", 1, 0x8769, 4, 1, 8, 8)
    return encoded(Image.new("RGB", (64, 64)), "JPEG", exif=exif)


HOSTILE: dict[str, Make] = {
    "png of one endless row": lambda: png(40_000_000, 1, rows=zeros(40_000_001)),
    "png of one endless column": lambda: png(1, 20_000_000, rows=zeros(40_000_000)),
    "png of 2 billion pixels a side": lambda: png(2**31 - 1, 2**31 - 1, rows=b""),
    "png of no size": lambda: png(0, 0, rows=b""),
    "png at the pixel limit, 16 bit with alpha": lambda: png(8_000, 5_000, depth=16, colour=6, rows=zeros(100_000)),
    "png with an IDAT bomb behind its pixels": lambda: png(64, 64, rows=zeros(200_000_000)),
    "png with a bomb in iCCP": lambda: png(64, 64, chunk(b"iCCP", b"bomb\0\0" + zeros(200_000_000))),
    "png with a bomb in zTXt": lambda: png(64, 64, chunk(b"zTXt", b"bomb\0\0" + zeros(200_000_000))),
    "png with a bomb in iTXt": lambda: png(64, 64, _itxt(200_000_000)),
    "png with many small bombs in iTXt": lambda: png(64, 64, *[_itxt(1_000_000)] * 200),
    "png of a million chunks": lambda: png(64, 64, *[chunk(b"abCd")] * 1_000_000),
    "png with a chunk of 4 GiB": lambda: png(64, 64, struct.pack(">I", 2**32 - 1) + b"tEXt"),
    "png with a palette of nothing": lambda: png(64, 64, chunk(b"PLTE"), colour=3),
    "png with two headers": lambda: png(64, 64, chunk(b"IHDR", struct.pack(">IIBBBBB", 9**5, 9**5, 8, 2, 0, 0, 0))),
    "png with a wrong checksum": lambda: png(64, 64)[:-20] + b"\0\0\0\0" + png(64, 64)[-16:],
    "png animated": lambda: animation("PNG", 60),
    "png that is animated for ever, it says": lambda: png(64, 64, chunk(b"acTL", struct.pack(">II", 2**31 - 1, 0))),
    "png truncated": lambda: encoded(Image.effect_noise((256, 256), 90))[:9_000],
    "png of random bytes": lambda: _PNG + bytes(range(256)) * 40,
    "jpeg of 1,500 scans": lambda: jpeg_of_scans(1_500),
    "jpeg of 65,500 pixels a side": lambda: jpeg_of_size(65_500, 65_500),
    "jpeg of one endless row": lambda: jpeg_of_size(65_500, 8),
    "jpeg of the pixel limit in 600 bytes": lambda: jpeg_of_size(8_000, 5_000),
    "jpeg of a million segments": lambda: jpeg_of_segments(1_000_000),
    "jpeg with an EXIF directory that loops": _exif_loop,
    "jpeg that is only its start": lambda: b"\xff\xd8\xff",
    "jpeg in CMYK, truncated": lambda: encoded(Image.effect_noise((512, 512), 90).convert("CMYK"), "JPEG")[:20_000],
    "webp of 16,383 pixels a side": lambda: webp_of_size(16_383, 16_383),
    "webp of the pixel limit without pixels": lambda: webp_of_size(8_000, 5_000),
    "webp animated": lambda: animation("WEBP", 60),
    "webp whose size lies": lambda: b"RIFF\xff\xff\xff\xffWEBPVP8X" + struct.pack("<I", 2**32 - 1),
    "gif of 10,000 frames": lambda: gif(16, 16, gif(16, 16)[781:-1] * 10_000),
    "gif of 65,535 pixels a side": lambda: gif(65_535, 65_535),
    "gif of a million comments": lambda: gif(16, 16, b"!\xfe\x00" * 1_000_000),
    "gif of broken codes": lambda: gif(512, 512, code_size=200),
    "tiff whose next directory is itself": lambda: tiff(plain_tags(8, 8), after=bytes(64), next_ifd=8),
    "tiff of 20,000 pages": lambda: tiff_of_many_pages(20_000),
    "tiff of 60,000 strips of one pixel": lambda: tiff_of_strips(60_000),
    "tiff of 90,000 tiles of one pixel": lambda: tiff_of_tiles(300),
    "tiff of 4 billion pixels a side": lambda: tiff(plain_tags(2**32 - 1, 2**32 - 1)),
    "tiff whose values lie outside": lambda: tiff({**plain_tags(64, 64), 273: (4, 2**31, 2**31)}),
    "tiff deflated to nothing": lambda: tiff(plain_tags(8_000, 5_000, tags={259: (3, 1, 8)}), after=zeros(5_000_000)),
    "tiff of unknown compression": lambda: tiff(plain_tags(64, 64, tags={259: (3, 1, 50_001)}), after=bytes(5_000)),
    "bmp of 2 billion pixels a side": lambda: bmp(2**31 - 1, 2**31 - 1),
    "bmp upside down, of nothing": lambda: bmp(5_000, -8_000),
    "bmp of run lengths of nothing": lambda: bmp(8_000, 5_000, 8, 1, b"\x00\x02\x00\x00" * 100_000),
    "avif of 65,535 pixels a side": lambda: of_size("AVIF", 65_535, 65_535),
    "avif of 2 billion pixels a side": lambda: of_size("AVIF", 2**31 - 1, 2**31 - 1),
    "avif animated": lambda: animation("AVIF", 20),
    "avif that is only its start": lambda: encoded(Image.new("RGB", (64, 64)), "AVIF")[:300],
    "avif of boxes within boxes": lambda: boxes(b"avif", 100_000),
    "heic of 65,535 pixels a side": lambda: of_size("HEIF", 65_535, 65_535),
    "heic of the pixel limit in 600 bytes": lambda: of_size("HEIF", 8_000, 5_000),
    "heic of several pictures": lambda: animation("HEIF", 3),
    "heic that is only its start": lambda: encoded(Image.new("RGB", (64, 64)), "HEIF")[:300],
    "heic of boxes within boxes": lambda: boxes(b"heic", 100_000),
    "ico, which is not offered": ico,
    "svg with entities": lambda: b'<!DOCTYPE a [<!ENTITY b "bbbb">]><svg xmlns="http://www.w3.org/2000/svg">&b;</svg>',
    "postscript that runs": lambda: b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n{ } loop\n",
    "a zip before a png": lambda: b"PK\x03\x04" + bytes(26) + png(64, 64),
    "nothing": lambda: b"",
}
# Odd, and pictures all the same: what is behind or around their pixels is not looked at.
HARMLESS = frozenset(
    {
        "png with an IDAT bomb behind its pixels",
        "png with a palette of nothing",
        "jpeg of the pixel limit in 600 bytes",
        "jpeg of a million segments",
        "tiff whose next directory is itself",
        "jpeg with an EXIF directory that loops",
    }
)
