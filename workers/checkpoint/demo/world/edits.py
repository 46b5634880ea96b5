"""Edits that the demonstration model knows: pictures before, an instruction, the picture after. Draws nothing."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from random import Random

from workers.checkpoint.demo.world.scenes import COLOURS, SHAPES, Scene, is_held_out, random_shapes


@dataclass(frozen=True, slots=True)
class Edit:
    """`before` has the condition pictures, one or two, that the instruction speaks of."""

    before: Sequence[Scene]
    instruction: str
    after: Scene


def random_edit(rng: Random) -> Edit:
    """An edit whose scenes training may see."""
    while True:
        edit = _any_edit(rng)
        if all(_is_allowed(scene) for scene in (*edit.before, edit.after)):
            return edit


def held_out_edit(rng: Random) -> Edit:
    """An edit whose result training never sees, of pictures that it may see."""
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
    said = rng.choice(("make the background {}", "change the background to {}", "turn the background {}"))
    return Edit([scene], said.format(colour), replace(scene, background=colour))


def _other_shape(rng: Random) -> Edit:
    scene = random_shapes(rng, 1)
    [shape] = scene.shapes
    name = rng.choice([name for name in SHAPES if name != shape.name])
    said = rng.choice(("replace the {} with a {}", "turn the {} into a {}", "change the {} to a {}"))
    return Edit([scene], said.format(shape.name, name), replace(scene, shapes=(replace(shape, name=name),)))


def _other_colour(rng: Random) -> Edit:
    scene = random_shapes(rng, 1)
    [shape] = scene.shapes
    colour = rng.choice([name for name in COLOURS if name not in (shape.colour, scene.background)])
    said = rng.choice(("make the {} {}", "paint the {} {}", "turn the {} {}"))
    return Edit([scene], said.format(shape.name, colour), replace(scene, shapes=(replace(shape, colour=colour),)))


def _combined(rng: Random) -> Edit:
    first, second = random_shapes(rng, 1), random_shapes(rng, 1)
    said = rng.choice(
        (
            "put the shape of the first picture on the background of the second",
            "the shape of the first picture on the background of the second picture",
        )
    )
    after = replace(second, shapes=first.shapes)
    if first.shapes[0].colour == second.background:
        return _combined(rng)
    return Edit([first, second], said, after)
