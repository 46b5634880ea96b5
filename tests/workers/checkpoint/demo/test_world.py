"""Scenes, prompts and edits: what training may see, and that a prompt says all that was asked for."""

from dataclasses import replace
from itertools import product
from math import dist
from random import Random

import pytest

from workers.checkpoint.demo.dit_batches import edits_alike, mixture_of, scene_of
from workers.checkpoint.demo.world.edits import Edit, random_edit
from workers.checkpoint.demo.world.prompts import prompt_of
from workers.checkpoint.demo.world.scenes import (
    COLOURS,
    SHAPES,
    Scene,
    Shape,
    contrast,
    is_held_out,
    is_held_out_word,
    other_word,
    random_scene,
    random_word,
)

SCENES = [random_scene(Random(seed)) for seed in range(1_500)]
FOR_DIT = [scene_of(Random(seed)) for seed in range(1_500)]
EDITS = [random_edit(Random(seed)) for seed in range(600)]


def has_held_out(scene: Scene) -> bool:
    triples = [(shape.name, shape.colour, scene.background) for shape in scene.shapes]
    return any(is_held_out(*triple) for triple in triples) or bool(scene.word and is_held_out_word(scene.word))


def test_more_than_a_fifth_of_the_triples_is_held_out_of_every_shape_some() -> None:
    triples = [one for one in product(SHAPES, COLOURS, COLOURS) if one[1] != one[2]]
    held_out = [triple for triple in triples if is_held_out(*triple)]
    assert (len(triples), len(held_out)) == (336, 87)
    assert {shape for shape, *_ in held_out} == set(SHAPES)


def test_a_fifth_of_the_words_is_held_out() -> None:
    letters = [chr(65 + number) for number in range(26)]
    words = ["".join(word) for word in product(letters, repeat=3)]
    assert sum(map(is_held_out_word, words)) / len(words) == pytest.approx(0.2, abs=0.01)


def test_training_draws_no_scene_that_is_held_out() -> None:
    assert not any(map(has_held_out, [*SCENES, *FOR_DIT]))


def test_a_mixed_background_resembles_none_on_which_a_shape_is_held_out() -> None:
    mixtures = [(scene, mixture_of(scene, Random(seed))) for seed, scene in enumerate(FOR_DIT)]
    mixed = [(scene, *found) for scene, found in mixtures if found]
    assert len(mixed) > 100
    for scene, colour, share in mixed:
        assert scene.pattern == "plain"
        assert 0.2 <= share <= 0.8
        pairs = zip(COLOURS[scene.background], COLOURS[colour], strict=True)
        rgb = [one + share * (other - one) for one, other in pairs]
        alike = [name for name in COLOURS if dist(COLOURS[name], rgb) < 50]
        for shape in scene.shapes:
            assert not any(is_held_out(shape.name, shape.colour, name) for name in (colour, *alike))


@pytest.mark.parametrize("background", ["red", "white"])
def test_patterns_and_held_out_shapes_are_never_mixed(background: str) -> None:
    names = [(name, colour) for name, colour in product(SHAPES, COLOURS) if is_held_out(name, colour, "blue")]
    shapes = [Shape(name, colour, (0.5, 0.5), 0.4) for name, colour in names if colour != background]
    for number, shape in enumerate(shapes * 20):
        scene = Scene(background, (shape,))
        assert mixture_of(replace(scene, pattern="striped"), Random(number)) is None
        found = mixture_of(scene, Random(number))
        assert found is None or found[0] != "blue"


def test_a_part_of_the_scenes_for_the_dit_without_a_word_is_graded() -> None:
    graded = {seed for seed, scene in enumerate(FOR_DIT) if scene.pattern == "graded"}
    assert len(graded) > sum(scene.pattern == "graded" for scene in SCENES)
    assert not any(FOR_DIT[seed].word for seed in graded if SCENES[seed].pattern != "graded")


def test_no_picture_of_an_edit_is_held_out() -> None:
    assert not any(has_held_out(scene) for edit in EDITS for scene in (*edit.before, edit.after))


def test_no_other_word_is_held_out() -> None:
    words = [scene.word for scene in SCENES if scene.word]
    others = [other_word(word, Random(f"other {number}")) for number, word in enumerate(words)]
    assert all(len(other) == len(word) for word, other in zip(words, others, strict=True))
    assert any(other != word for word, other in zip(words, others, strict=True))
    assert not any(map(is_held_out_word, others))


def test_nothing_has_the_colour_of_what_is_behind_it() -> None:
    for scene in SCENES:
        assert all(shape.colour != scene.background for shape in scene.shapes)
        assert not scene.word or scene.word_colour != scene.background
        assert scene.pattern == "plain" or scene.second != scene.background


def test_words_have_one_to_eight_letters_and_digits() -> None:
    words = [random_word(Random(seed)) for seed in range(500)]
    assert {len(word) for word in words} == set(range(1, 9))
    assert all(word.isalnum() and word == word.upper() and word.isascii() for word in words)


def test_a_prompt_says_all_that_the_scene_was_asked_for() -> None:
    for seed, scene in enumerate(SCENES):
        prompt = prompt_of(scene, Random(f"prompt {seed}"))
        assert [word for word in asked_of(scene) if word not in prompt] == []
        assert scene.word in prompt.upper()


def asked_of(scene: Scene) -> list[str]:
    """What of the scene was asked for, in the prompt's words."""
    asked = [scene.background, *(() if scene.pattern == "plain" else (scene.second,))]
    for shape in scene.shapes:
        asked += [f"{shape.size} {shape.colour} {shape.name}".strip()]
        asked += [] if not shape.place else [{"centre": ""}.get(shape.place, shape.place)]
    if scene.word and not scene.shapes and scene.word_colour != contrast(scene.background):
        asked += [f"in {scene.word_colour}"]
    return asked


@pytest.mark.parametrize(
    ("seed", "prompt"),
    [
        (0, 'a black card titled "TIXEVEME"'),
        (1, "a large red star on a green background"),
        (2, 'a small yellow triangle at the top on red, and the word "OZO"'),
    ],
)
def test_a_seed_draws_the_scene_and_the_prompt_that_the_weights_were_trained_on(seed: int, prompt: str) -> None:
    rng = Random(seed)
    assert prompt_of(random_scene(rng), rng) == prompt


def changes(edit: Edit) -> set[str]:
    """Which of a scene's facts an edit of one picture changes."""
    [before] = edit.before
    facts = ("background", "pattern", "second", "word")
    changed = {fact for fact in facts if getattr(before, fact) != getattr(edit.after, fact)}
    for old, new in zip(before.shapes, edit.after.shapes, strict=True):
        changed |= {fact for fact in ("name", "colour", "centre", "side") if getattr(old, fact) != getattr(new, fact)}
    return changed


def test_an_edit_of_one_picture_changes_one_fact_and_names_it() -> None:
    for edit in EDITS:
        if len(edit.before) > 1:
            continue
        [changed] = changes(edit)
        new = edit.after.background if changed == "background" else getattr(edit.after.shapes[0], changed)
        assert changed in ("background", "name", "colour")
        assert new in edit.instruction
        assert ("background" in edit.instruction) == (changed == "background")


def test_an_edit_of_two_pictures_takes_the_first_ones_shape_and_the_second_ones_background() -> None:
    pairs = [edit for edit in EDITS if len(edit.before) == 2]
    assert pairs
    for edit in pairs:
        first, second = edit.before
        assert edit.after.shapes == first.shapes
        assert (edit.after.background, edit.after.pattern) == (second.background, second.pattern)


def test_edits_of_one_batch_have_as_many_condition_pictures() -> None:
    nums = [{len(edit.before) for edit in edits_alike(Random(seed), 4)} for seed in range(40)]
    assert all(len(each) == 1 for each in nums)
    assert {1, 2} == set.union(*nums)
