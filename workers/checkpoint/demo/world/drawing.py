"""Draws pictures of scenes (backgrounds with shapes and words) with Pillow, at any size. Does not read prompts."""

import math
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from pathlib import Path

import matplotlib
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from workers.checkpoint.demo.world.scenes import COLOURS, SHAPES, Rgb, Scene, Shape

LETTER = 1 + len(SHAPES)  # what `kinds_shown` returns for letters

_FINE = 2  # oversampling: pictures are drawn this many times larger, then averaged
_STRIPE, _DOT = 1 / 8, 1 / 6  # distances between stripes and between dots, in shares of the shorter side
_USUAL_PX = 256  # side of most pictures
_TOKEN_PX = 16  # side of the square that a DiT token covers
_NARROW_PX = 32
_LETTER_WIDTHS_PX = (16, _NARROW_PX, 48, 64, 96, 128)
_WIDEST_LETTER = 0.25  # share of the shorter side; the narrowest letters may fill the whole width
_GREY = (128, 128, 128)
_BOX_GAP = 0.2  # gap between the boxes of letters, in shares of a letter's width
_ADVANCE, _CAPITAL = 0.602, 0.729  # width of a letter and height of a capital, in shares of the font's size

Point = tuple[float, float]


def draw(scene: Scene, width_px: int, height_px: int) -> Image.Image:
    """Draws a scene (a background with shapes and a word) and returns the picture in RGB."""
    canvas = _background(scene, width_px * _FINE, height_px * _FINE)
    pen = ImageDraw.Draw(canvas)
    _draw_shapes(pen, scene, canvas.width, canvas.height)
    if scene.word:
        _draw_word(pen, scene, line_of(scene, width_px, height_px))
    return canvas.resize((width_px, height_px), Image.Resampling.BOX)


def draw_figures(scene: Scene, width_px: int, height_px: int) -> Image.Image:
    """Draws the shapes of a scene on grey, whatever its background is, and a filled box for each letter of its word."""
    canvas = Image.new("RGB", (width_px * _FINE, height_px * _FINE), _GREY)
    pen = ImageDraw.Draw(canvas)
    _draw_shapes(pen, scene, canvas.width, canvas.height)
    if scene.word:
        for box in _boxes(line_of(scene, width_px, height_px)):
            pen.rectangle([side * _FINE for side in box], COLOURS[scene.word_colour])
    return canvas.resize((width_px, height_px), Image.Resampling.BOX)


def kinds_shown(scene: Scene, width_px: int, height_px: int) -> NDArray[np.uint8]:
    """Returns what each pixel of the scene's picture shows, with shape (height, width).

    0 is the background, 1 to 6 are the shapes in the order of `SHAPES`, and `LETTER` is a letter's box.
    """
    canvas = Image.new("L", (width_px, height_px))
    pen = ImageDraw.Draw(canvas)
    for shape in scene.shapes:
        _draw_shape(pen, shape, 1 + SHAPES.index(shape.name), width_px, height_px)
    if scene.word:
        for box in _boxes(line_of(scene, width_px, height_px)):
            pen.rectangle(box, LETTER)
    return np.asarray(canvas)


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


def _draw_shapes(pen: ImageDraw.ImageDraw, scene: Scene, width: int, height: int) -> None:
    for shape in scene.shapes:
        _draw_shape(pen, shape, COLOURS[shape.colour], width, height)


def _draw_shape(pen: ImageDraw.ImageDraw, shape: Shape, ink: Rgb | int, width: int, height: int) -> None:
    half = shape.side * min(width, height) / 2
    x, y = shape.centre[0] * width, shape.centre[1] * height
    box = (x - half, y - half, x + half, y + half)
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


def _draw_word(pen: ImageDraw.ImageDraw, scene: Scene, line: "Line") -> None:
    font = _font(line.letter_px * _FINE / _ADVANCE)
    for number, letter in enumerate(scene.word):
        x = line.left_px + (number + 0.5) * line.letter_px
        pen.text((x * _FINE, line.baseline_px * _FINE), letter, COLOURS[scene.word_colour], font, anchor="ms")


def _boxes(line: "Line") -> list[tuple[float, float, float, float]]:
    """Returns the left, upper, right and lower edge of each letter's box, in pixels. Boxes have a gap between them."""
    gap = line.letter_px * _BOX_GAP
    top = line.baseline_px - line.height_px
    lefts = [line.left_px + number * line.letter_px for number in range(line.num_letters)]
    return [(left + gap / 2, top, left + line.letter_px - gap / 2, line.baseline_px) for left in lefts]


@dataclass(frozen=True, slots=True)
class Line:
    """Where the word of a picture is: its letters are in cells of equal width, which begin and end where DiT tokens do.

    So the same letter of the same width gives the same latents wherever it is, and is learned with fewer pictures.
    """

    left_px: int
    letter_px: int
    middle_px: int
    num_letters: int

    @property
    def height_px(self) -> float:
        """Returns the height of a capital."""
        return self.letter_px * _CAPITAL / _ADVANCE

    @property
    def baseline_px(self) -> float:
        """Returns the y of the letters' lower edge."""
        return self.middle_px + self.height_px / 2


def line_of(scene: Scene, width_px: int, height_px: int) -> Line:
    """Returns the place of the word in a picture of this size: centred, and below the shapes if there are any."""
    num = len(scene.word)
    letter_px = _letter_width(num, width_px, height_px)
    left_px = (width_px - num * letter_px) // 2
    middle_px = round(height_px * (0.75 if scene.shapes else 0.5) / _TOKEN_PX) * _TOKEN_PX
    return Line(left_px, letter_px, middle_px, num)


def _letter_width(num_letters: int, width_px: int, height_px: int) -> int:
    """Returns the largest width at which the letters fit and can be centred. Only words of narrow letters may fill the
    picture's width.
    """
    room = min((width_px - _TOKEN_PX) / num_letters, _WIDEST_LETTER * min(width_px, height_px))
    fitting = [one for one in _LETTER_WIDTHS_PX if one <= room or one == _NARROW_PX <= width_px / num_letters]
    centred = [one for one in fitting if (width_px - num_letters * one) % (2 * _TOKEN_PX) == 0]
    return max(centred, default=_LETTER_WIDTHS_PX[0])


def letters_shown(scene: Scene, width_px: int, height_px: int) -> list[list[str]]:
    """Returns the letter that each DiT token of the picture of a scene shows, in rows.

    The letter is '' where the picture shows no letter.
    """
    rows, columns = range(height_px // _TOKEN_PX), range(width_px // _TOKEN_PX)
    if not scene.word:
        return [[""] * len(columns) for _ in rows]
    line = line_of(scene, width_px, height_px)
    numbers = [(column * _TOKEN_PX - line.left_px) // line.letter_px for column in columns]
    letters = [scene.word[number] if 0 <= number < len(scene.word) else "" for number in numbers]
    half = (line.height_px + _TOKEN_PX) / 2
    is_inked = [abs((row + 0.5) * _TOKEN_PX - line.middle_px) < half for row in rows]
    return [letters if inked else [""] * len(columns) for inked in is_inked]


def letter_boxes(word: str) -> list[tuple[float, float, float]]:
    """Returns the left and right edge of each letter, and the height of the word, in a picture of 256x256 pixels that
    shows only this word. The unit is the side of the picture.
    """
    line = line_of(Scene("red", word=word), _USUAL_PX, _USUAL_PX)
    edges = [(line.left_px + number * line.letter_px) / _USUAL_PX for number in range(len(word) + 1)]
    return [(left, right, line.height_px / _USUAL_PX) for left, right in pairwise(edges)]


def typeface(size_px: float) -> ImageFont.FreeTypeFont:
    """Returns the font of all words in the demonstration model's pictures, at `size_px` pixels."""
    return _font(size_px)


@lru_cache(maxsize=512)
def _font(size: float) -> ImageFont.FreeTypeFont:
    """Returns the font DejaVu Sans Mono Bold at `size` pixels.

    The font comes with matplotlib, under the licence of Bitstream Vera.
    """
    return ImageFont.truetype(str(Path(matplotlib.get_data_path()) / "fonts/ttf/DejaVuSansMono-Bold.ttf"), size)
