"""Makes random edits that the demonstration model learns: condition scenes, an instruction, and the resulting scene.

Draws no pictures.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from random import Random

from workers.checkpoint.demo.world.scenes import COLOURS, SHAPES, Scene, is_held_out, random_shapes


@dataclass(frozen=True, slots=True)
class Edit:
    """An edit: one or two condition scenes (`before`), the instruction, and the resulting scene (`after`)."""

    before: Sequence[Scene]
    instruction: str
    after: Scene


def random_edit(rng: Random) -> Edit:
    """Returns a random edit for training. None of its scenes is held out (reserved for evaluation)."""
    while True:
        edit = _any_edit(rng)
        if all(_is_allowed(scene) for scene in (*edit.before, edit.after)):
            return edit


def held_out_edit(rng: Random) -> Edit:
    """Returns a random edit for evaluation. The scene that results from the edit is one that training never sees."""
    while True:
        edit = _any_edit(rng)
        if not _is_allowed(edit.after):
            return edit


def _any_edit(rng: Random) -> Edit:
    kinds = (_new_background, _new_background, _other_shape, _other_shape, _other_colour, _combined)
    return rng.choice(kinds)(rng)


def _is_allowed(scene: Scene) -> bool:
    return not any(is_held_out(shape.name, shape.colour, scene.background) for shape in scene.shapes)


def _new_background(rng: Random) -> Edit:
    scene = random_shapes(rng, rng.choice((1, 1, 2)))
    taken = {scene.background, *(shape.colour for shape in scene.shapes)}
    colour = rng.choice([name for name in COLOURS if name not in taken])
    wording = rng.choice(("make the background {}", "change the background to {}", "turn the background {}"))
    return Edit([scene], wording.format(colour), replace(scene, background=colour))


def _other_shape(rng: Random) -> Edit:
    scene = random_shapes(rng, 1)
    [shape] = scene.shapes
    name = rng.choice([name for name in SHAPES if name != shape.name])
    wording = rng.choice(("replace the {} with a {}", "turn the {} into a {}", "change the {} to a {}"))
    return Edit([scene], wording.format(shape.name, name), replace(scene, shapes=(replace(shape, name=name),)))


def _other_colour(rng: Random) -> Edit:
    scene = random_shapes(rng, 1)
    [shape] = scene.shapes
    colour = rng.choice([name for name in COLOURS if name not in (shape.colour, scene.background)])
    wording = rng.choice(("make the {} {}", "paint the {} {}", "turn the {} {}"))
    return Edit([scene], wording.format(shape.name, colour), replace(scene, shapes=(replace(shape, colour=colour),)))


def _combined(rng: Random) -> Edit:
    first, second = random_shapes(rng, 1), random_shapes(rng, 1)
    wording = rng.choice(
        (
            "put the shape of the first picture on the background of the second",
            "the shape of the first picture on the background of the second picture",
        )
    )
    after = replace(second, shapes=first.shapes)
    if first.shapes[0].colour == second.background:
        return _combined(rng)
    return Edit([first, second], wording, after)
