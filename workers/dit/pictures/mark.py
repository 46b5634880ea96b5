"""Draws the visible mark of a generated picture: a short text on a dark plate in the lower right corner. It refuses
text whose letters the font lacks.
"""

import math
from dataclasses import dataclass, field
from hashlib import sha256
from io import BytesIO
from pathlib import Path
from typing import Self

from PIL import Image, ImageDraw, ImageFont

from shared.errors import Misconfigured, RenderFailed

_HEIGHT_SHARE = 0.05  # of the picture's shorter side; GB 45438-2025 asks for at least this height of the text
_LEAST_HEIGHT_PX = 10
_PADDING_SHARE = 0.4  # of the height of the text
_MARGIN_SHARE = 0.02  # of the picture's shorter side
_OPACITY = 0.65  # of the black plate: white text on it has a contrast of at least 7 to 1, also on a white picture
_REFERENCE_PX = 100
_NO_LETTER = "\U0010ffff"  # never a letter, so a font draws its sign for missing letters


@dataclass(frozen=True, slots=True)
class MarkFont:
    """The font of the mark. `data` is a font file; None is the font of Pillow, which has Latin letters only."""

    data: bytes | None = field(default=None, repr=False)

    @classmethod
    def read(cls, path: Path | None, text: str) -> Self:
        """Reads a font file. Raises `Misconfigured` if it can't be used, or lacks letters of the operator's text."""
        try:
            font = cls(path.read_bytes() if path else None)
            missing = font.missing(text)
        except OSError as error:
            why = error.strerror or "it is no font file"
            raise Misconfigured(f"GRIDPRESS_MARK_FONT={path} can't be read: {why}") from error
        if missing:
            which = f"{path} lacks" if path else "the default font lacks"
            raise Misconfigured(f"GRIDPRESS_MARK_FONT: {which} these letters of GRIDPRESS_MARK_TEXT: {missing}")
        return font

    @property
    def digest(self) -> str | None:
        """Returns the SHA-256 of the font file; None for the default font."""
        return sha256(self.data).hexdigest() if self.data is not None else None

    def at(self, size_px: int) -> ImageFont.FreeTypeFont:
        """Returns the font at a size. Raises `OSError` if the file is no font."""
        if self.data is not None:
            # Basic layout is the same whether or not the machine has libraqm.
            return ImageFont.truetype(BytesIO(self.data), size_px, layout_engine=ImageFont.Layout.BASIC)
        font = ImageFont.load_default(size_px)
        assert isinstance(font, ImageFont.FreeTypeFont)
        return font

    def missing(self, text: str) -> str:
        """Returns the letters of the text that the font lacks. Raises `OSError` if the file is no font."""
        font = self.at(32)
        useless = {_drawn("", font), _drawn(_NO_LETTER, font)}
        letters = dict.fromkeys(letter for letter in text if not letter.isspace())
        return "".join(letter for letter in letters if _drawn(letter, font) in useless)


def draw_mark(image: Image.Image, text: str, font: MarkFont) -> Image.Image:
    """Returns a copy of the RGB picture with the text in its lower right corner.

    The text is at least 5 % as high as the picture's shorter side, and less only if it is too long for the picture's
    width. Raises `RenderFailed` if the font lacks letters of the text.
    """
    if missing := font.missing(text):
        raise RenderFailed("mark_not_drawn", f"the worker's font for visible marks lacks the letters {missing}")
    marked, shorter = image.copy(), min(image.size)
    height_px = max(_LEAST_HEIGHT_PX, math.ceil(_HEIGHT_SHARE * shorter))
    padding, margin = math.ceil(_PADDING_SHARE * height_px), math.ceil(_MARGIN_SHARE * shorter)
    sized = _sized(text, font, height_px, room_px=image.width - 2 * (padding + margin))
    left, top, right, bottom = map(round, sized.getbbox(text))
    end_x, end_y = image.width - margin, image.height - margin
    plate = (max(0, end_x - (right - left) - 2 * padding), max(0, end_y - (bottom - top) - 2 * padding), end_x, end_y)
    under = marked.crop(plate)
    marked.paste(Image.blend(under, Image.new("RGB", under.size), _OPACITY), plate)
    ImageDraw.Draw(marked).text((plate[0] + padding - left, plate[1] + padding - top), text, "white", sized)
    return marked


def _sized(text: str, font: MarkFont, height_px: int, room_px: int) -> ImageFont.FreeTypeFont:
    """Returns the font at the size at which the text is `height_px` high, or at a smaller size at which the text is at
    most `room_px` wide.
    """
    width, height = _extent(text, font.at(_REFERENCE_PX))
    size = math.ceil(_REFERENCE_PX * height_px / height)
    while _extent(text, font.at(size))[1] < height_px:  # sizes are rounded to whole pixels
        size += 1
    size = min(size, max(1, int(_REFERENCE_PX * room_px / width)))
    while size > 1 and _extent(text, font.at(size))[0] > room_px:
        size -= 1
    return font.at(size)


def _extent(text: str, font: ImageFont.FreeTypeFont) -> tuple[int, int]:
    """Returns the width and height of the drawn text in pixels."""
    left, top, right, bottom = font.getbbox(text)
    return round(right - left), round(bottom - top)


def _drawn(text: str, font: ImageFont.FreeTypeFont) -> bytes:
    image = Image.new("L", (64, 64))
    ImageDraw.Draw(image).text((8, 8), text, 255, font)
    return image.tobytes()
