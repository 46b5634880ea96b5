import struct
import zlib
from contextlib import suppress
from io import BytesIO
from itertools import product
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageChops

from shared.errors import InvalidImage
from shared.geometry import condition_size, sides_agree
from shared.images.formats import FORMATS
from shared.images.normalise import normalise
from shared.images.png_size import size_px

MAX_PIXELS = 4_000_000


def normalised(data: bytes, max_pixels: int = MAX_PIXELS) -> Image.Image:
    return Image.open(BytesIO(normalise(data, max_pixels=max_pixels, field="images[0]")))


def encoded(image: Image.Image, format: str = "PNG", **options: Any) -> bytes:
    file = BytesIO()
    image.save(file, format, **options)
    return file.getvalue()


def gradient(width: int, height: int) -> Image.Image:
    """Every pixel differs from its neighbours and every corner from the others."""
    across = Image.linear_gradient("L").rotate(90).resize((width, height))
    down = Image.linear_gradient("L").resize((width, height))
    return Image.merge("RGB", (across, down, ImageChops.multiply(across, down)))


def refusal(data: bytes, max_pixels: int = MAX_PIXELS) -> str:
    with pytest.raises(InvalidImage) as caught:
        normalise(data, max_pixels=max_pixels, field="images[3]")
    assert caught.value.field == "images[3]"
    return str(caught.value)


def png_chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def png(width: int, height: int, depth: int, colour_type: int, rows: bytes, *extra: bytes) -> bytes:
    header = struct.pack(">IIBBBBB", width, height, depth, colour_type, 0, 0, 0)
    body = [png_chunk(b"IHDR", header), *extra, png_chunk(b"IDAT", zlib.compress(rows)), png_chunk(b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(body)


@given(st.integers(1, 3000), st.integers(1, 3000))
def test_both_preprocessors_agree_on_whatever_comes_out(width: int, height: int) -> None:
    picture = normalised(encoded(Image.new("L", (width, height), 99), "BMP"), max_pixels=9_000_000)
    assert sides_agree(*picture.size)
    assert (picture.mode, picture.format) == ("RGB", "PNG")


@pytest.mark.parametrize("size", [(512, 544), (640, 512), (544, 768), (1024, 1056), (520, 520)])
def test_a_size_that_agrees_already_keeps_every_pixel(size: tuple[int, int]) -> None:
    original = gradient(*size)
    assert normalised(encoded(original)).tobytes() == original.tobytes()


@pytest.mark.parametrize("size", [(517, 389), (300, 200), (528, 528), (2048, 600), (2100, 600), (1, 1), (17, 9)])
def test_a_size_that_does_not_agree_is_scaled(size: tuple[int, int]) -> None:
    assert not sides_agree(*size)
    assert normalised(encoded(gradient(*size))).size == condition_size(*size)


@pytest.mark.parametrize(
    ("size", "ends_at"), [((1000, 100), (2048, 512)), ((30, 2000), (512, 2048)), ((2, 9), (512, 1536))]
)
def test_a_strip_keeps_its_proportions_on_grey(size: tuple[int, int], ends_at: tuple[int, int]) -> None:
    picture = normalised(encoded(Image.new("RGB", size, "red")))
    assert picture.size == ends_at
    left, top, right, bottom = ImageChops.difference(picture, Image.new("RGB", ends_at, (128, 128, 128))).getbbox()
    shown = (right - left, bottom - top)
    assert max(shown) == max(ends_at)
    assert min(shown) == pytest.approx(max(ends_at) * min(size) / max(size), abs=1)
    assert abs(left - (ends_at[0] - right)) <= 1
    assert abs(top - (ends_at[1] - bottom)) <= 1


def test_an_extremely_long_strip_never_becomes_an_extremely_large_canvas() -> None:
    assert normalised(encoded(Image.new("1", (32_768, 1)))).size == (2048, 512)


@pytest.mark.parametrize("size", [(32_769, 1), (1, MAX_PIXELS)])
def test_a_side_has_a_limit_however_few_pixels_there_are(size: tuple[int, int]) -> None:
    assert "a side has at most 32768" in refusal(encoded(Image.new("1", size)))


@pytest.mark.parametrize("format", FORMATS)
def test_every_format_is_read(format: str) -> None:
    picture = normalised(encoded(Image.new("RGB", (512, 512), (200, 60, 20)), format))
    difference = ImageChops.difference(picture, Image.new("RGB", (512, 512), (200, 60, 20)))
    assert max(high for _, high in difference.getextrema()) <= 6


def test_the_same_picture_gives_the_same_bytes_whatever_its_file_says_besides() -> None:
    picture = gradient(512, 512)
    plain = normalise(encoded(picture), max_pixels=MAX_PIXELS, field="images[0]")
    dressed = encoded(picture, icc_profile=b"not a profile", dpi=(300, 300))
    assert normalise(dressed, max_pixels=MAX_PIXELS, field="images[0]") == plain
    assert normalise(plain, max_pixels=MAX_PIXELS, field="images[0]") == plain
    assert size_px(plain) == (512, 512)


@pytest.mark.parametrize(
    ("format", "mode"),
    [*product(("TIFF", "PNG"), ("1", "L", "P")), ("TIFF", "CMYK"), ("JPEG", "CMYK"), ("JPEG", "L")],
)
def test_plain_odd_modes_look_as_they_did(format: str, mode: str) -> None:
    odd = gradient(512, 512).convert(mode)
    difference = ImageChops.difference(normalised(encoded(odd, format)), odd.convert("RGB"))
    assert max(high for _, high in difference.getextrema()) <= (24 if format == "JPEG" else 0)


@pytest.mark.parametrize("format", ["PNG", "TIFF"])
def test_sixteen_bit_grey_is_scaled_over_the_whole_range(format: str) -> None:
    values = [0, 128, 129, 257, 32768, 65278, 65279, 65535]
    deep = Image.frombytes("I;16", (len(values), 1), struct.pack(f"<{len(values)}H", *values))
    deep = deep.resize((512, 512), Image.Resampling.NEAREST)
    picture = normalised(encoded(deep, format))
    shown = [picture.getpixel((32 + 64 * column, 100))[0] for column in range(len(values))]
    assert shown == [round(value / 257) for value in values]


@pytest.mark.parametrize("colour_type", [2, 6])
def test_sixteen_bit_colour_is_read(colour_type: int) -> None:
    samples = (0xFFFF, 0x8000, 0x0000, 0xFFFF)[: 3 if colour_type == 2 else 4]
    row = b"\0" + struct.pack(f">{len(samples)}H", *samples) * 512
    assert normalised(png(512, 512, 16, colour_type, row * 512)).getpixel((7, 7)) == (255, 128, 0)


@pytest.mark.parametrize(
    ("mode", "colour", "shown"),
    [
        ("RGBA", (255, 0, 0, 0), (255, 255, 255)),
        ("RGBA", (255, 0, 0, 255), (255, 0, 0)),
        ("RGBA", (0, 0, 0, 51), (204, 204, 204)),
        ("LA", (0, 0), (255, 255, 255)),
        ("LA", (40, 255), (40, 40, 40)),
    ],
)
def test_transparency_shows_white(mode: str, colour: tuple[int, ...], shown: tuple[int, ...]) -> None:
    assert normalised(encoded(Image.new(mode, (512, 512), colour))).getpixel((5, 5)) == shown


@pytest.mark.parametrize(("format", "transparency"), [("PNG", 1), ("PNG", b"\xff\x00\xff"), ("GIF", 1)])
def test_a_palette_with_transparency_shows_white(format: str, transparency: int | bytes) -> None:
    image = Image.new("P", (512, 512), 1)
    image.putpalette([0, 0, 0, 10, 200, 10, 0, 0, 250])
    image.paste(2, (0, 0, 256, 512))
    picture = normalised(encoded(image, format, transparency=transparency))
    assert (picture.getpixel((400, 9)), picture.getpixel((9, 9))) == ((255, 255, 255), (0, 0, 250))


@pytest.mark.parametrize(
    ("depth", "colour_type", "transparent", "row"),
    [
        (8, 0, b"\x00\x07", b"\x07" * 512),
        (8, 2, b"\x00\x01\x00\x02\x00\x03", b"\x01\x02\x03" * 512),
        (1, 0, b"\x00\x00", b"\x00" * 64),
    ],
)
def test_one_transparent_colour_shows_white(depth: int, colour_type: int, transparent: bytes, row: bytes) -> None:
    data = png(512, 512, depth, colour_type, (b"\0" + row) * 512, png_chunk(b"tRNS", transparent))
    assert normalised(data).getpixel((3, 3)) == (255, 255, 255)


@pytest.mark.parametrize("transparent", [b"\x01\x02\x03\x04\x05\x06", b"\xff\xff\xff\xff\xff\xff"])
def test_a_transparent_colour_of_sixteen_bits_does_no_harm(transparent: bytes) -> None:
    row = b"\0" + struct.pack(">3H", 0x4040, 0x5050, 0x6060) * 512
    data = png(512, 512, 16, 2, row * 512, png_chunk(b"tRNS", transparent))
    assert normalised(data).getpixel((3, 3)) == (0x40, 0x50, 0x60)


@pytest.mark.parametrize(
    ("format", "orientation"),
    [*product(("JPEG", "PNG", "WEBP", "TIFF"), range(1, 9)), *product(("AVIF", "HEIF"), (4, 5, 8))],
)
def test_the_picture_is_upright(format: str, orientation: int) -> None:
    upright = gradient(640, 512)
    stored = {
        1: [],
        2: [0],
        3: [3],
        4: [1],
        5: [5],
        6: [2],
        7: [6],
        8: [4],
    }[orientation]  # the inverse of what a reader does, as Image.Transpose numbers it
    image = upright
    for method in stored:
        image = image.transpose(Image.Transpose(method))
    exif = Image.Exif()
    exif[0x0112] = orientation
    options = {"quality": 95} if format in ("JPEG", "WEBP", "AVIF", "HEIF") else {}
    picture = normalised(encoded(image, format, exif=exif.tobytes(), **options))
    assert picture.size == upright.size
    difference = ImageChops.difference(picture.resize((8, 8)), upright.resize((8, 8)))
    assert max(high for _, high in difference.getextrema()) <= 8


@pytest.mark.parametrize("exif", [b"Exif\0\0nonsense", b"Exif\0\0II*\0\x08\0\0\0\xff\xff", b"\0" * 40])
def test_broken_exif_does_no_harm(exif: bytes) -> None:
    picture = gradient(512, 512)
    assert normalised(encoded(picture, exif=exif)).tobytes() == picture.tobytes()


def test_the_first_picture_of_a_camera_file_is_taken() -> None:
    data = encoded(
        Image.new("RGB", (512, 512), "red"), "MPO", save_all=True, append_images=[Image.new("RGB", (64, 64))]
    )
    assert normalised(data).getpixel((9, 9))[0] > 250


@pytest.mark.parametrize("format", FORMATS)
def test_a_truncated_picture_is_refused(format: str) -> None:
    noise = Image.effect_noise((512, 512), 90).convert("RGB")
    whole = encoded(noise, format)
    for kept in (len(whole) // 2, len(whole) * 9 // 10):
        assert "truncated" in refusal(whole[:kept])


@pytest.mark.parametrize(
    "data", [b"", b"\0", b"hello", b"<svg xmlns='http://www.w3.org/2000/svg'/>", b"%PDF-1.4", b"\x89PNG\r\n\x1a\n"]
)
def test_what_is_not_a_picture_is_refused(data: bytes) -> None:
    assert "not a picture" in refusal(data) or "truncated" in refusal(data)


def test_a_format_outside_the_list_is_refused() -> None:
    assert "PNG, JPEG" in refusal(encoded(Image.new("RGB", (512, 512)), "PPM"))


@pytest.mark.parametrize("format", ["PNG", "GIF", "WEBP", "TIFF", "AVIF", "HEIF"])
def test_several_pictures_in_one_are_refused(format: str) -> None:
    frames = [Image.new("RGB", (512, 512), colour) for colour in ("red", "green", "blue")]
    assert "animated or has several pages" in refusal(
        encoded(frames[0], format, save_all=True, append_images=frames[1:])
    )


@pytest.mark.parametrize("mode", ["I", "F"])
def test_grey_without_a_known_range_is_refused_by_name(mode: str) -> None:
    assert f"mode {mode}" in refusal(encoded(Image.new(mode, (512, 512)), "TIFF"))


def test_a_bomb_is_refused_before_a_single_row_is_decoded() -> None:
    rows = b""  # decoding would fail with other words, so these come from the header
    assert "2001x2000 pixels, more than 4001999" in refusal(png(2_001, 2_000, 8, 0, rows), max_pixels=4_001_999)
    assert "more than" in refusal(png(12_000, 12_000, 8, 2, rows))  # where Pillow warns
    assert "more than" in refusal(png(2**31 - 1, 2**31 - 1, 8, 2, rows))  # where Pillow raises


def test_a_picture_at_the_limit_is_taken() -> None:
    assert normalised(encoded(Image.new("L", (2000, 2000))), max_pixels=4_000_000).size == (
        2000 // 32 * 32,
        2000 // 32 * 32,
    )


@given(st.sampled_from(["PNG", "JPEG", "WEBP", "GIF", "BMP", "TIFF"]), st.data())
def test_no_bytes_raise_anything_but_invalid_image(format: str, data: st.DataObject) -> None:
    content = bytearray(encoded(gradient(64, 48), format))
    for _ in range(data.draw(st.integers(1, 6))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    with suppress(InvalidImage):
        normalise(bytes(content), max_pixels=100_000, field="images[0]")


def with_size(data: bytes, width: int, height: int) -> bytes:
    """Returns an AVIF or HEIC file whose header names another size."""
    start = data.index(b"ispe") + 8  # the name of the box, its version and flags
    return data[:start] + struct.pack(">II", width, height) + data[start + 8 :]


@pytest.mark.parametrize("format", ["AVIF", "HEIF"])
def test_an_avif_or_heic_bomb_is_refused_by_its_header(format: str) -> None:
    data = encoded(gradient(64, 64), format)
    assert "2001x2000 pixels, more than" in refusal(with_size(data, 2001, 2000))
    assert refusal(with_size(data, 2**31 - 1, 2**31 - 1))


def test_a_heic_picture_of_another_size_than_its_header_is_refused() -> None:
    assert "truncated or broken" in refusal(with_size(encoded(gradient(512, 512), "HEIF"), 64, 64))


@pytest.mark.parametrize("format", ["AVIF", "HEIF"])
def test_transparency_in_avif_and_heic_shows_white(format: str) -> None:
    picture = normalised(encoded(Image.new("RGBA", (512, 512), (255, 0, 0, 0)), format))
    assert min(picture.getpixel((5, 5))) > 250


@pytest.mark.parametrize("brand", [b"heix", b"mif1", b"avis", b"hevc"])
def test_the_start_of_an_avif_or_heic_file_is_called_truncated(brand: bytes) -> None:
    assert "truncated" in refusal(b"\0\0\0\x1cftyp" + brand + b"\0\0\0\0mif1heic")


@pytest.mark.parametrize("brand", [b"isom", b"qt  ", b"crx "])
def test_a_video_or_raw_file_is_refused_with_the_formats_that_are_read(brand: bytes) -> None:
    assert "AVIF or HEIC" in refusal(b"\0\0\0\x1cftyp" + brand + b"\0\0\0\0mif1heic")
