"""Draws pictures of scenes (backgrounds with shapes and words) with Pillow, at any size. Does not read prompts."""

import math
from bisect import bisect
from functools import lru_cache
from pathlib import Path

import matplotlib
from PIL import Image, ImageDraw, ImageFont

from workers.checkpoint.demo.world.scenes import COLOURS, Scene, Shape

_FINE = 2  # oversampling: pictures are drawn this many times larger, then averaged
_STRIPE, _DOT = 1 / 8, 1 / 6  # distances between stripes and between dots, in shares of the shorter side
_WORD_WIDTH, _WORD_HEIGHT = 0.84, 0.42  # largest extent of a word, in shares of the picture

Point = tuple[float, float]


def draw(scene: Scene, width_px: int, height_px: int) -> Image.Image:
    """Draws a scene (a background with shapes and a word) and returns the picture in RGB."""
    canvas = _background(scene, width_px * _FINE, height_px * _FINE)
    pen = ImageDraw.Draw(canvas)
    for shape in scene.shapes:
        _draw_shape(pen, shape, canvas.width, canvas.height)
    if scene.word:
        _draw_word(pen, scene, canvas.width, canvas.height)
    return canvas.resize((width_px, height_px), Image.Resampling.BOX)


def _background(scene: Scene, width: int, height: int) -> Image.Image:
    first, second = COLOURS[scene.background], COLOURS[scene.second]
    if scene.pattern == "graded":
        ramp = Image.linear_gradient("L").resize((width, height)).point(lambda value: value * 0.8)
        return Image.composite(
            Image.new("RGB", (width, height), second), Image.new("RGB", (width, height), first), ramp
        )
    canvas = Image.new("RGB", (width, height), first)
    pen = ImageDraw.Draw(canvas)
    short = min(width, height)
    if scene.pattern == "striped":
        step = short * _STRIPE
        for number in range(math.ceil(width / step / 2) + 1):
            pen.rectangle((2 * number * step, 0, (2 * number + 0.5) * step, height), second)
    elif scene.pattern == "dotted":
        step = short * _DOT
        for row in range(math.ceil(height / step)):
            for column in range(math.ceil(width / step)):
                x, y, radius = (column + 0.5) * step, (row + 0.5) * step, 0.16 * step
                pen.ellipse((x - radius, y - radius, x + radius, y + radius), second)
    return canvas


def _draw_shape(pen: ImageDraw.ImageDraw, shape: Shape, width: int, height: int) -> None:
    half = shape.side * min(width, height) / 2
    x, y = shape.centre[0] * width, shape.centre[1] * height
    box, ink = (x - half, y - half, x + half, y + half), COLOURS[shape.colour]
    if shape.name == "circle":
        pen.ellipse(box, ink)
    elif shape.name == "ring":
        pen.ellipse(box, outline=ink, width=round(half * 0.4))
    elif shape.name == "square":
        inset = half * 0.1
        pen.rectangle((box[0] + inset, box[1] + inset, box[2] - inset, box[3] - inset), ink)
    else:
        pen.polygon([(x + half * u, y + half * v) for u, v in _OUTLINES[shape.name]], ink)


def _star() -> list[Point]:
    turns = [(number * math.pi / 5 - math.pi / 2, 1.0 if number % 2 == 0 else 0.42) for number in range(10)]
    return [(radius * math.cos(turn), radius * math.sin(turn)) for turn, radius in turns]


def _heart() -> list[Point]:
    turns = [number * 2 * math.pi / 60 for number in range(60)]
    curve = [13 * math.cos(t) - 5 * math.cos(2 * t) - 2 * math.cos(3 * t) - math.cos(4 * t) for t in turns]
    return [(math.sin(t) ** 3, -(y + 2.5) / 15) for t, y in zip(turns, curve, strict=True)]


_OUTLINES = {"triangle": [(0.0, -0.9), (1.0, 0.85), (-1.0, 0.85)], "star": _star(), "heart": _heart()}


def _draw_word(pen: ImageDraw.ImageDraw, scene: Scene, width: int, height: int) -> None:
    centre_y, font = _centre_and_font(scene, width, height)
    pen.text((width / 2, centre_y), scene.word, COLOURS[scene.word_colour], font, anchor="mm")


def _centre_and_font(scene: Scene, width: int, height: int) -> tuple[float, ImageFont.FreeTypeFont]:
    """Returns the vertical middle of a scene's word in pixels, and the largest font with which the word fits.

    If the scene has shapes, the word is below them.
    """
    centre_y, tallest = (0.75, _WORD_HEIGHT * 0.8) if scene.shapes else (0.5, _WORD_HEIGHT)
    return centre_y * height, _font(_largest_size(scene.word, _WORD_WIDTH * width, tallest * height))


def _largest_size(word: str, width: float, height: float) -> int:
    left, top, right, bottom = _font(100).getbbox(word)
    return max(8, int(100 * min(width / (right - left), height / (bottom - top))))


def letters_shown(scene: Scene, width_px: int, height_px: int, tile_px: int) -> list[list[str]]:
    """Divides the picture of a scene (a background with shapes and a word) into square tiles. Returns the letter at the
    middle of each tile, in rows.

    The letter is '' where the picture shows no letter.
    """
    rows, columns = range(height_px // tile_px), range(width_px // tile_px)
    if not scene.word:
        return [[""] * len(columns) for _ in rows]
    centre_y, font = _centre_and_font(scene, width_px, height_px)
    _, top, _, bottom = font.getbbox(scene.word, anchor="mm")
    start = width_px / 2 - font.getlength(scene.word) / 2
    ends = [start + font.getlength(scene.word[: number + 1]) for number in range(len(scene.word))]
    along = [(column + 0.5) * tile_px for column in columns]
    line = ["" if x < start or x > ends[-1] else scene.word[bisect(ends[:-1], x)] for x in along]
    return [line if top <= (row + 0.5) * tile_px - centre_y <= bottom else [""] * len(columns) for row in rows]


def letter_boxes(word: str) -> list[tuple[float, float, float]]:
    """Returns the left and right edge of each letter, and the height of the word.

    The unit is the side of a square picture that shows only this word.
    """
    size = 1_000 * min(_WORD_WIDTH / _extent(word)[0], _WORD_HEIGHT / _extent(word)[1])
    ends = [_font(1_000).getlength(word[: number + 1]) * size / 1_000 / 1_000 for number in range(len(word))]
    start = 0.5 - ends[-1] / 2
    starts = [0.0, *ends[:-1]]
    height = _extent(word)[1] * size / 1_000
    return [(start + left, start + right, height) for left, right in zip(starts, ends, strict=True)]


def _extent(word: str) -> tuple[float, float]:
    left, top, right, bottom = _font(1_000).getbbox(word)
    return (right - left) / 1_000, (bottom - top) / 1_000


def typeface(size_px: int) -> ImageFont.FreeTypeFont:
    """Returns the font of all words in the demonstration model's pictures, at `size_px` pixels."""
    return _font(size_px)


@lru_cache(maxsize=512)
def _font(size: int) -> ImageFont.FreeTypeFont:
    """Returns the font DejaVu Sans Bold at `size` pixels.

    The font comes with matplotlib, under the licence of Bitstream Vera.
    """
    return ImageFont.truetype(str(Path(matplotlib.get_data_path()) / "fonts/ttf/DejaVuSans-Bold.ttf"), size)
