"""Judges the picture of a scene or an edit from its pixels. Depends on no model."""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy import ndimage

from benchmarks.demo_model.colours import NAMES, Mask, Pixels, named, pixels_of
from benchmarks.demo_model.geometry import shape_of
from benchmarks.demo_model.parts import Part, largest_part
from workers.checkpoint.demo.world.drawing import draw
from workers.checkpoint.demo.world.edits import Edit
from workers.checkpoint.demo.world.scenes import PLACES, Scene

# Least share of the requested background colour outside the shape.
_LEAST_BACKGROUND = {"plain": 0.85, "striped": 0.6, "dotted": 0.6, "graded": 0.6}
_FARTHEST_FROM_PLACE = 0.15  # in shares of the sides; the other places are 0.25 from the centre
# Distance below which two colours count as the same. The largest possible distance is 441. The two nearest named
# colours, yellow and orange, are 78 apart.
_SAME_COLOUR = 56.0
_LEAST_CHANGED, _LEAST_SHAPES, _LEAST_KEPT = 0.75, 0.75, 0.9
_EDGE_PX = 2  # an edge may be this far from the edge in the drawing


@dataclass(frozen=True, slots=True)
class SceneVerdict:
    """The verdict on a picture of one shape: whether shape, background and place are right."""

    shape: bool
    background: bool
    place: bool


@dataclass(frozen=True, slots=True)
class EditVerdict:
    """Shares of pixels that match the drawing of the edit's result.

    `changed` covers pixels where the drawing differs from the last condition image, and `kept` covers all others.
    `shapes` covers the pixels of the drawing's shapes, because a small missing shape would hardly change the other two.
    """

    changed: float
    kept: float
    shapes: float

    @property
    def is_right(self) -> bool:
        return self.changed >= _LEAST_CHANGED and self.kept >= _LEAST_KEPT and self.shapes >= _LEAST_SHAPES


def judge_scene(picture: Image.Image, scene: Scene) -> SceneVerdict:
    """Judges a picture of one shape on a background and returns the verdict."""
    [asked] = scene.shapes
    pixels = pixels_of(picture)
    part = largest_part(pixels, scene)
    has_background = _has_background(pixels, scene, part)
    if part is None:
        return SceneVerdict(shape=False, background=has_background, place=False)
    is_shape = part.colour == asked.colour and shape_of(part.mask) == asked.name
    return SceneVerdict(is_shape, has_background, _place_of(part) == asked.place)


def judge_edit(picture: Image.Image, edit: Edit) -> EditVerdict:
    """Compares a picture with the drawing of the edit's result, at the picture's size, and returns the verdict."""
    scenes = edit.before[-1], edit.after, replace(edit.after, shapes=())
    before, after, empty = (pixels_of(draw(scene, *picture.size)) for scene in scenes)
    is_as_drawn = _distance(pixels_of(picture), after) <= _SAME_COLOUR
    has_changed = _distance(before, after) > _SAME_COLOUR
    has_shape = _distance(after, empty) > _SAME_COLOUR
    return EditVerdict(
        changed=_share(is_as_drawn, has_changed),
        kept=_share(is_as_drawn, ~has_changed),
        shapes=_share(is_as_drawn, has_shape),
    )


def _has_background(pixels: Pixels, scene: Scene, part: Part | None) -> bool:
    """Returns whether the requested colour covers enough of the area outside the shape.

    For a gradient only the top eighth counts.
    """
    outside = np.ones(pixels.shape[:2], dtype=bool)
    if part is not None:
        outside &= ~ndimage.binary_dilation(part.mask, iterations=3)
    if scene.pattern == "graded":
        outside[len(outside) // 8 :] = False
    return _share(named(pixels) == NAMES.index(scene.background), outside) >= _LEAST_BACKGROUND[scene.pattern]


def _place_of(part: Part) -> str | None:
    """Returns the place that is nearest to the centre of the part, or None if all places are too far."""
    distances = {name: float(np.hypot(*np.subtract(part.centre, place))) for name, place in PLACES.items()}
    name = min(distances, key=lambda place: distances[place])
    return name if distances[name] <= _FARTHEST_FROM_PLACE else None


def _distance(one: Pixels, other: Pixels) -> NDArray[np.float32]:
    """Returns the Euclidean distance between the RGB values of each pixel."""
    distances: NDArray[np.float32] = np.sqrt(((one - other) ** 2).sum(axis=-1))
    return distances


def _share(is_right: Mask, where: Mask) -> float:
    """Returns the share of right pixels in `where`, without the pixels at its edge unless it has no others."""
    inner = ndimage.binary_erosion(where, iterations=_EDGE_PX, border_value=1)
    chosen = inner if inner.any() else where
    return float(is_right[chosen].mean()) if chosen.any() else 0.0
