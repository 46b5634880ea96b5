"""Normalises a condition image for both stages: upright RGB, at a size for which the VAE and the AR model make matching
grids.
"""

import warnings
from io import BytesIO

from PIL import ExifTags, Image, UnidentifiedImageError

from shared.errors import InvalidImage
from shared.geometry import MAX_SIDE_RATIO, condition_size
from shared.images.formats import FORMATS, NAMES, is_avif_or_heic
from shared.images.structure import check_file, check_tiles

_MAX_SIDE_PX = 32_768  # decoders hold buffers for whole rows or columns, which may be large for a very long side

_BROKEN = "the picture is truncated or broken"

_GREY = (128, 128, 128)
_GREY_16_BIT = ("I;16", "I;16B", "I;16L")
_MODES = frozenset(("1", "L", "LA", "P", "PA", "RGB", "RGBA", "RGBX", "CMYK", "YCbCr", *_GREY_16_BIT))

# Values of the EXIF 2.3 tag 0x0112 (orientation), each with the transposition that turns the image upright.
_UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


def normalise(data: bytes, *, max_pixels: int, field: str) -> bytes:
    """Returns the image as PNG bytes: 8-bit RGB, transparency on white, scaled to `shared.geometry.condition_size`.

    If the size needs no change, the pixels stay unchanged. Equal input gives equal output. An image longer than 4:1 is
    centred on a grey background with an aspect ratio of 4:1.

    The input must be one complete image, not animated, in one of `FORMATS`, with at most `max_pixels` pixels. The pixel
    count is read from the header, before decoding. For any other input, raises `InvalidImage` with the name of the
    field. Raises `MemoryError` if a memory limit of the process is reached. Not thread-safe.
    """
    picture = _fitted(_decoded(data, max_pixels, field))
    picture.info = {}  # otherwise the colour profile and comments would be written to the file
    file = BytesIO()
    picture.save(file, format="PNG", compress_level=3)  # a third of the default level's time; file 5 % larger
    return file.getvalue()


def _decoded(data: bytes, max_pixels: int, field: str) -> Image.Image:
    check_file(data, field)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Pillow warns about irregularities in files that it can read
            with Image.open(BytesIO(data), formats=FORMATS) as image:
                _check_header(image, max_pixels, field)
                image.load()
                return _rgb(_upright(image))
    except InvalidImage:
        raise
    except UnidentifiedImageError as error:
        if is_avif_or_heic(data):  # Pillow can't identify such a file if its header is incomplete
            raise InvalidImage(_BROKEN, field) from error
        raise InvalidImage(f"not a picture in one of the formats {NAMES}", field) from error
    except Image.DecompressionBombError as error:
        raise InvalidImage(f"the picture has more than {max_pixels} pixels", field) from error
    except MemoryError:
        raise  # the limit of this process is the cause, not the image
    except Exception as error:  # on a broken file a decoder may raise any exception
        raise InvalidImage(_BROKEN, field) from error


def _check_header(image: Image.Image, max_pixels: int, field: str) -> None:
    width, height = image.size
    if width * height > max_pixels:
        raise InvalidImage(f"the picture has {width}x{height} pixels, more than {max_pixels}", field)
    if max(width, height) > _MAX_SIDE_PX:
        raise InvalidImage(f"the picture has {width}x{height} pixels, and a side has at most {_MAX_SIDE_PX}", field)
    check_tiles(len(getattr(image, "tile", ())), field)
    if image.mode not in _MODES:
        raise InvalidImage(f"pictures of mode {image.mode} can't be used: send 8-bit RGB", field)
    # Many cameras write MPO files, whose further pictures are previews and gain maps of the first one.
    if image.format != "MPO" and getattr(image, "is_animated", False):
        raise InvalidImage("the picture is animated or has several pages: send one", field)


def _upright(image: Image.Image) -> Image.Image:
    try:
        turn = _UPRIGHT.get(image.getexif().get(ExifTags.Base.Orientation, 1))
    except Exception:  # noqa: BLE001 - the pixels can be used even if the EXIF data is broken
        return image
    return image.transpose(turn) if turn is not None else image


def _rgb(image: Image.Image) -> Image.Image:
    if image.mode in _GREY_16_BIT:
        # 65535 / 255 = 257; the conversion truncates, so half a step is added.
        return image.convert("I").point(lambda value: value * (1 / 257) + 0.5).convert("L").convert("RGB")
    if not image.has_transparency_data:
        return image.convert("RGB")
    layer = image.convert("RGBA")
    picture = Image.new("RGB", image.size, "white")
    picture.paste(layer, mask=layer)
    return picture


def _fitted(image: Image.Image) -> Image.Image:
    """Returns the condition image scaled to the size that both stages read. An image longer than 4:1 keeps its
    proportions and gets grey borders that make it 4:1.
    """
    width, height = image.size
    least = -(-max(width, height) // MAX_SIDE_RATIO)
    target = condition_size(max(width, least), max(height, least))
    if min(width, height) >= least:
        return image if target == image.size else image.resize(target, Image.Resampling.LANCZOS)
    scale = max(target) / max(width, height)
    strip = image.resize((_scaled(width, scale), _scaled(height, scale)), Image.Resampling.LANCZOS)
    canvas = Image.new("RGB", target, _GREY)
    canvas.paste(strip, ((target[0] - strip.width) // 2, (target[1] - strip.height) // 2))
    return canvas


def _scaled(side_px: int, scale: float) -> int:
    return max(1, round(side_px * scale))
