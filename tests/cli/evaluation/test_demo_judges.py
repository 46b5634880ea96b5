"""The judges of the demonstration model, on drawings: right ones, spoilt ones and wrong ones."""

import io
import shutil
from dataclasses import replace
from pathlib import Path
from random import Random

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFilter

from benchmarks.demo_model.cases import Case, cases_of
from benchmarks.demo_model.geometry import shape_of
from benchmarks.demo_model.judges import judge_edit, judge_scene
from benchmarks.demo_model.words import Reader
from workers.checkpoint.demo.world.drawing import draw
from workers.checkpoint.demo.world.scenes import (
    COLOURS,
    PATTERNS,
    PLACES,
    SHAPES,
    Scene,
    Shape,
    is_held_out,
    is_held_out_word,
)

SIDE_PX = 256


def spoilt(picture: Image.Image, rng: Random) -> Image.Image:
    """Blurred, noisy and once through JPEG, as a painted picture may be."""
    blurred = picture.filter(ImageFilter.GaussianBlur(rng.uniform(0, 1.2)))
    noise = np.random.default_rng(rng.randrange(2**32)).normal(0, 8, (*picture.size[::-1], 3))
    file = io.BytesIO()
    Image.fromarray((np.asarray(blurred) + noise).clip(0, 255).astype(np.uint8)).save(file, "JPEG", quality=70)
    return Image.open(file)


def moved(case: Case, rng: Random) -> Scene:
    """The case's scene, with another side and a centre a little off, as the prompt allows."""
    [shape] = case.scene.shapes
    centre = tuple(share + rng.uniform(-0.03, 0.03) for share in shape.centre)
    return replace(case.scene, shapes=(replace(shape, side=rng.uniform(0.2, 0.42), centre=centre),))  # type: ignore[arg-type]


def test_what_a_prompt_asks_for_is_right_at_other_sizes_and_places_and_spoilt() -> None:
    wrong = []
    for case in cases_of("scene", 24):
        rng = Random(case.name)
        verdict = judge_scene(spoilt(draw(moved(case, rng), SIDE_PX, SIDE_PX), rng), case.scene)
        if not (verdict.shape and verdict.background and verdict.place):
            wrong.append((case.prompt, verdict))
    assert not wrong


def other(name: str, names: tuple[str, ...]) -> str:
    return names[(names.index(name) + 1) % len(names)]


def test_another_shape_colour_background_or_place_is_wrong() -> None:
    for case in cases_of("scene", 10):
        [shape] = case.scene.shapes
        free = tuple(name for name in COLOURS if name not in (case.scene.background, case.scene.second))
        place = other(shape.place, tuple(PLACES))

        def verdict(scene: Scene, asked: Scene = case.scene):  # type: ignore[no-untyped-def]
            return judge_scene(draw(scene, SIDE_PX, SIDE_PX), asked)

        assert not verdict(replace(case.scene, shapes=(replace(shape, name=other(shape.name, SHAPES)),))).shape
        assert not verdict(replace(case.scene, shapes=(replace(shape, colour=other(shape.colour, free)),))).shape
        assert not verdict(replace(case.scene, shapes=(replace(shape, centre=PLACES[place]),))).place
        background = next(name for name in free if name != shape.colour)
        elsewhere = replace(case.scene, background=background, pattern="plain")
        assert not verdict(elsewhere).background
        assert verdict(elsewhere).place, case.prompt


@pytest.mark.parametrize("pattern", PATTERNS)
def test_a_background_without_a_shape_has_its_colour_and_nothing_else(pattern: str) -> None:
    asked = Scene("blue", (Shape("star", "white", (0.5, 0.5), 0.3, "centre"),), pattern, "yellow")
    verdict = judge_scene(draw(replace(asked, shapes=()), SIDE_PX, SIDE_PX), asked)
    assert (verdict.shape, verdict.background, verdict.place) == (False, True, False)


def test_noise_has_nothing_right() -> None:
    values = np.random.default_rng(0).integers(0, 256, (SIDE_PX, SIDE_PX, 3), dtype=np.uint8)
    for case in cases_of("scene", 3):
        verdict = judge_scene(Image.fromarray(values), case.scene)
        assert not verdict.shape
        assert not verdict.background


@pytest.mark.parametrize(
    "points",
    [
        [(50, 0), (100, 50), (50, 100), (0, 50)],  # a diamond
        [(0, 0), (100, 0), (50, 90)],  # a triangle on its tip
        [
            (0, 30),
            (30, 30),
            (30, 0),
            (70, 0),
            (70, 30),
            (100, 30),
            (100, 70),
            (70, 70),
            (70, 100),
            (30, 100),
            (30, 70),
            (0, 70),
        ],
        [(0, 0), (100, 0), (100, 40), (0, 40)],  # twice as wide as a square
    ],
)
def test_other_outlines_are_no_shape_of_this_world(points: list[tuple[int, int]]) -> None:
    picture = Image.new("1", (140, 140))
    ImageDraw.Draw(picture).polygon([(x + 20, y + 20) for x, y in points], 1)
    assert shape_of(np.asarray(picture)) is None


def test_an_edit_is_right_when_it_is_made_and_wrong_when_nothing_or_all_is_changed() -> None:
    for case in cases_of("edit", 8):
        assert case.edit
        rng = Random(case.name)
        result = draw(case.scene, SIDE_PX, SIDE_PX)
        assert judge_edit(spoilt(result, rng), case.edit).is_right, case.prompt
        assert not judge_edit(draw(case.before[-1], SIDE_PX, SIDE_PX), case.edit).is_right, case.prompt
        flat = Image.new("RGB", result.size, COLOURS[case.scene.background])
        assert not judge_edit(flat, case.edit).is_right, case.prompt


def test_cases_are_held_out_and_always_the_same() -> None:
    for case in cases_of("scene", 200):
        [shape] = case.scene.shapes
        assert is_held_out(shape.name, shape.colour, case.scene.background)
        assert shape.place
    assert all(is_held_out_word(case.scene.word) for case in cases_of("text", 200))
    for case in cases_of("edit", 30):
        assert any(is_held_out(shape.name, shape.colour, case.scene.background) for shape in case.scene.shapes)
    assert cases_of("edit", 3) == cases_of("edit", 30)[:3]


@pytest.mark.skipif(shutil.which("tesseract") is None, reason="Tesseract is not installed")
def test_a_drawn_word_is_read_and_another_is_not(tmp_path: Path) -> None:
    pytest.importorskip("pytesseract")
    picture = tmp_path / "word.png"
    draw(Scene("white", word="OPEN", word_colour="black"), SIDE_PX, SIDE_PX).save(picture)
    reader = Reader()
    assert reader.judge(picture, "OPEN").is_read
    other_word = reader.judge(picture, "OVEN")
    assert (other_word.is_read, other_word.edit_distance) == (False, 0.25)
