"""Finds the largest part of a picture that is not its background. Does not identify its shape."""

from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from benchmarks.demo_model.colours import NAMES, Mask, Pixels, backgrounds_of, named, nearest
from workers.checkpoint.demo.world.scenes import COLOURS, Scene

_LEAST_SHARE = 0.004  # least share of the picture; the smallest star of a prompt has 1.4 %
_CORE = np.ones((3, 3), dtype=bool)


@dataclass(frozen=True, slots=True)
class Part:
    """One connected part of a picture in one named colour."""

    colour: str
    mask: Mask

    @property
    def centre(self) -> tuple[float, float]:
        """Returns the centre of the part's bounding box, in shares of width and height."""
        rows, cols = ndimage.find_objects(self.mask.astype(int))[0]
        height, width = self.mask.shape
        return (cols.start + cols.stop) / 2 / width, (rows.start + rows.stop) / 2 / height


def largest_part(pixels: Pixels, scene: Scene) -> Part | None:
    """Returns the largest part in a colour that the requested background does not have, or None.

    A part that reaches from one border to the opposite border also counts as background, whatever its colour.
    """
    background = backgrounds_of(scene)
    palette = np.concatenate([background, np.array(list(COLOURS.values()), dtype=np.float32)])
    labels = nearest(pixels, palette) - len(background)
    taken = {scene.background} if scene.pattern == "plain" else {scene.background, scene.second}
    found = [
        (name, core)
        for index, name in enumerate(NAMES)
        if name not in taken and (core := _largest_core(labels == index)) is not None
    ]
    if not found:
        return None
    colour, core = max(found, key=lambda each: int(each[1].sum()))
    return Part(colour, _whole(pixels, colour, core, scene))


def _largest_core(mask: Mask) -> Mask | None:
    """Returns the largest component of the mask, without the thin lines of mixed colours at edges.

    Returns None if there is none.
    """
    components, num = ndimage.label(ndimage.binary_opening(mask, _CORE))
    if not num:
        return None
    sizes = np.bincount(components.ravel())
    for index, where in enumerate(ndimage.find_objects(components), 1):
        if _crosses(where, mask.shape) or sizes[index] < _LEAST_SHARE * mask.size:
            sizes[index] = 0
    sizes[0] = 0
    return components == np.argmax(sizes) if sizes.any() else None


def _crosses(where: tuple[slice, slice], shape: tuple[int, ...]) -> bool:
    return any(part.start == 0 and part.stop == side for part, side in zip(where, shape, strict=True))


def _whole(pixels: Pixels, colour: str, core: Mask, scene: Scene) -> Mask:
    """Returns the whole part up to its edges: the pixels that are nearer to its colour than to the colours of the
    background.
    """
    labels = named(pixels)
    counts = np.bincount(labels[~core].ravel(), minlength=len(NAMES))
    counts[NAMES.index(colour)] = 0
    others = [*backgrounds_of(scene), COLOURS[NAMES[int(np.argmax(counts))]]]
    mask = nearest(pixels, np.array([COLOURS[colour], *others], dtype=np.float32)) == 0
    components, _ = ndimage.label(mask)
    overlaps = np.bincount(components[core])
    overlaps[0] = 0
    return components == np.argmax(overlaps) if overlaps.any() else core
