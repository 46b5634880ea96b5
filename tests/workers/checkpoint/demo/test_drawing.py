"""Drawings: colours stand where the scene says, at every size, and a word is written in its own colour."""

from itertools import product
from random import Random

import numpy as np
import pytest
from PIL import Image

from workers.checkpoint.demo.world.drawing import LETTER, draw, draw_figures, kinds_shown, line_of
from workers.checkpoint.demo.world.pixels import random_crops
from workers.checkpoint.demo.world.scenes import COLOURS, PLACES, SHAPES, Scene, Shape


def colour_at(picture: Image.Image, x: float, y: float) -> str:
    """The nearest colour's name. `x` and `y` are shares of width and height."""
    pixel = np.array(picture.getpixel((int(x * picture.width), int(y * picture.height))), dtype=int)
    return min(COLOURS, key=lambda name: int(np.abs(pixel - COLOURS[name]).sum()))


@pytest.mark.parametrize("size", [(256, 256), (384, 256), (256, 512)], ids=str)
def test_a_shape_stands_at_its_place_in_its_colour(size: tuple[int, int]) -> None:
    for name, centre in product(set(SHAPES) - {"ring"}, PLACES.values()):
        picture = draw(Scene("blue", (Shape(name, "yellow", centre, 0.4),)), *size)
        assert picture.size == size
        assert colour_at(picture, *centre) == "yellow"
        assert {colour_at(picture, x, y) for x in (0.02, 0.98) for y in (0.02, 0.98)} == {"blue"}


def test_a_ring_is_open() -> None:
    picture = draw(Scene("white", (Shape("ring", "red", (0.5, 0.5), 0.6),)), 256, 256)
    assert colour_at(picture, 0.5, 0.5) == "white"
    assert colour_at(picture, 0.5, 0.22) == "red"


@pytest.mark.parametrize(("pattern", "least"), [("striped", 0.1), ("dotted", 0.05), ("graded", 0.2)])
def test_a_pattern_shows_both_colours(pattern: str, least: float) -> None:
    picture = draw(Scene("green", pattern=pattern, second="white"), 256, 256)
    grid = [colour_at(picture, x / 64, y / 64) for x in range(64) for y in range(64)]
    assert grid.count("green") / len(grid) > 0.2
    assert grid.count("white") / len(grid) > least


def test_a_word_is_written_across_the_picture() -> None:
    pixels = np.asarray(draw(Scene("red", word="OPEN", word_colour="white"), 256, 256), dtype=int)
    inked = np.abs(pixels - COLOURS["white"]).sum(axis=2) < 60
    rows, cols = inked.any(axis=1).nonzero()[0], inked.any(axis=0).nonzero()[0]
    assert cols[-1] - cols[0] > 0.7 * 256
    assert (rows[0] + rows[-1]) / 2 == pytest.approx(128, abs=8)
    assert not np.array_equal(pixels, np.asarray(draw(Scene("red", word="OPEM", word_colour="white"), 256, 256)))


@pytest.mark.parametrize("word", ["A", "AB", "ABC", "ABCD", "ABCDE", "ABCDEF", "ABCDEFG", "ABCDEFGH"])
@pytest.mark.parametrize("size", [(256, 256), (384, 256), (256, 512), (512, 512)], ids=str)
def test_letters_are_in_cells_of_whole_dit_tokens(word: str, size: tuple[int, int]) -> None:
    line = line_of(Scene("red", word=word), *size)
    assert (line.left_px % 16, line.letter_px % 16, line.middle_px % 16) == (0, 0, 0)
    assert line.left_px * 2 + len(word) * line.letter_px == size[0]
    assert line.letter_px >= 32


def test_a_box_stands_for_each_letter() -> None:
    scene = Scene("red", word="OPEN", word_colour="white")
    kinds = kinds_shown(scene, 256, 256)
    middle = (kinds[128] == LETTER).astype(int)
    assert (np.diff(middle) == 1).sum() == 4
    pixels = np.asarray(draw_figures(scene, 256, 256), dtype=int)
    is_white = np.abs(pixels - COLOURS["white"]).sum(axis=2) < 60
    assert (is_white == (kinds == LETTER)).mean() > 0.97


def test_a_shape_is_shown_by_its_number() -> None:
    kinds = kinds_shown(Scene("blue", (Shape("star", "yellow", (0.25, 0.5), 0.4),)), 256, 128)
    assert (kinds[64, 64], kinds[64, 200]) == (1 + SHAPES.index("star"), 0)


def test_a_crop_is_as_large_as_asked_for() -> None:
    assert {tuple(random_crops(Random(seed), 5, 256).shape) for seed in range(6)} == {(5, 3, 256, 256)}
