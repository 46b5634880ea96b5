"""Computes simulated pictures: a token grid from a hash, and a mosaic from the tokens, with a label.

Tests can predict the result.
"""

import hashlib
import struct
import textwrap
from functools import cache

from PIL import Image, ImageDraw, ImageFont

from shared.geometry import CODEBOOK_SIZE, GridSize
from shared.jobs.spec import RenderSettings
from shared.jobs.token_grid import Prior, TokenGrid

_FONT_PX, _LINE_PX, _MARGIN_PX = 14, 18, 8
_CHAR_PX = 8  # about the width of a letter
_PROMPT_LINES = 3


def simulated_grid(settings: RenderSettings, seed: int) -> TokenGrid:
    """Returns a token grid that depends only on prompt, seed and size."""
    return _grid(f"{seed}\0{settings.width_px}x{settings.height_px}\0{settings.prompt}", settings.grid)


def simulated_condition(digest: str, size: GridSize) -> TokenGrid:
    """Returns the token grid of a condition image whose bytes have this SHA-256."""
    return _grid(digest, size)


def simulated_picture(prior: Prior, settings: RenderSettings, seed: int) -> Image.Image:
    """Returns a simulated RGB picture in the requested size. Each token of its grid becomes a square of one colour.

    A label at its lower edge has the size, the seed and the beginning of the prompt. A picture that is too small for
    the label has none.
    """
    grid = prior.grid
    tiny = Image.frombytes("RGB", (grid.size.cols, grid.size.rows), b"".join(map(_colour, grid.tokens)))
    picture = tiny.resize((settings.width_px, settings.height_px), Image.Resampling.NEAREST)
    _label(picture, [f"{settings.width_px}x{settings.height_px}  seed {seed}", *_lines(settings)])
    return picture


def _lines(settings: RenderSettings) -> list[str]:
    """Returns the beginning of the prompt, in lines that fit into the picture."""
    prompt = "".join(char if char.isprintable() else " " for char in settings.prompt)
    num_chars = (settings.width_px - 2 * _MARGIN_PX) // _CHAR_PX
    return textwrap.wrap(prompt, max(num_chars, 4), max_lines=_PROMPT_LINES, placeholder=" ...")


def _label(picture: Image.Image, lines: list[str]) -> None:
    top = picture.height - len(lines) * _LINE_PX - 2 * _MARGIN_PX
    if top < picture.height // 2:
        return
    draw = ImageDraw.Draw(picture)
    draw.rectangle((0, top, picture.width, picture.height), "black")
    for index, line in enumerate(lines):
        draw.text((_MARGIN_PX, top + _MARGIN_PX + index * _LINE_PX), line, "white", _font())


@cache
def _font() -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(_FONT_PX)


def _grid(text: str, size: GridSize) -> TokenGrid:
    data = hashlib.shake_128(text.encode()).digest(2 * size.num_tokens)
    return TokenGrid(size, tuple(code % CODEBOOK_SIZE for code in struct.unpack(f"<{size.num_tokens}H", data)))


def _colour(token: int) -> bytes:
    """Returns the colour of a token: 5 bits of red, 5 of green and 4 of blue, so that different tokens differ in
    colour.
    """
    return bytes((token >> 9 << 3, (token >> 4 & 31) << 3, (token & 15) << 4))
