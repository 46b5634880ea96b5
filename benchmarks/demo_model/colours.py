"""Finds named colours in pixels. Depends on no model and no shape."""

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter

from workers.checkpoint.demo.world.scenes import COLOURS, Scene

Mask = NDArray[np.bool_]  # height x width
Pixels = NDArray[np.float32]  # height x width x RGB, 0 to 255

NAMES = tuple(COLOURS)
_PALETTE = np.array(list(COLOURS.values()), dtype=np.float32)
_RAMP_SHARES = np.linspace(0, 1, 9)  # a graded background is represented by this many flat colours


def pixels_of(picture: Image.Image) -> Pixels:
    """Returns the RGB values of a picture. A median over 3x3 pixels removes single noisy pixels and keeps edges."""
    return np.asarray(picture.convert("RGB").filter(ImageFilter.MedianFilter(3)), dtype=np.float32)


def nearest(pixels: Pixels, palette: NDArray[np.float32]) -> NDArray[np.intp]:
    """Returns, for each pixel, the index of the nearest colour in the palette."""
    distances = [((pixels - colour) ** 2).sum(axis=-1) for colour in palette]
    return np.argmin(np.stack(distances), axis=0)


def named(pixels: Pixels) -> NDArray[np.intp]:
    """Returns, for each pixel, the index in `NAMES` of the nearest named colour."""
    return nearest(pixels, _PALETTE)


def backgrounds_of(scene: Scene) -> NDArray[np.float32]:
    """Returns the colours that the scene's background may have, the requested colour first."""
    first, second = (np.array(COLOURS[name], dtype=np.float32) for name in (scene.background, scene.second))
    if scene.pattern == "plain":
        return first[None]
    if scene.pattern == "graded":
        return np.array([first + share * (second - first) for share in _RAMP_SHARES], dtype=np.float32)
    return np.array([first, second])


def is_between(colour: str, scene: Scene) -> bool:
    """Returns whether a shape of this colour could be mistaken for the background, like orange on a gradient from
    red to yellow.
    """
    distances = ((backgrounds_of(scene) - np.array(COLOURS[colour])) ** 2).sum(axis=-1) ** 0.5
    return bool(distances.min() < _CLEARLY_APART)


# Least distance between a shape's colour and the background. The two nearest named colours, yellow and orange, are 78
# apart.
_CLEARLY_APART = 70.0
