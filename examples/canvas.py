"""Paints light and shapes with Pillow. Shapes are masks; light multiplies or screens the picture through soft masks."""

import math
import random
from collections.abc import Callable, Sequence

from PIL import Image, ImageChops, ImageDraw, ImageFilter, ImageOps

_OVERSAMPLING = 2  # pictures are painted at twice the size and scaled down, for smooth edges

Colour = tuple[int, int, int]
Point = tuple[float, float]
Box = tuple[float, float, float, float]


class Canvas:
    """A picture in progress. Every coordinate and length is in pixels of the finished picture."""

    def __init__(self, width_px: int, height_px: int, seed: int) -> None:
        self._size = (width_px * _OVERSAMPLING, height_px * _OVERSAMPLING)
        self._image = Image.new("RGB", self._size)
        self._rng = random.Random(seed)

    def finish(self, grain: float) -> Image.Image:
        """Returns the picture at its final size, with film grain."""
        small = self._image.resize((self._size[0] // _OVERSAMPLING, self._size[1] // _OVERSAMPLING), Image.LANCZOS)
        noise = self._noise(small.size).filter(ImageFilter.GaussianBlur(0.7))
        return Image.blend(small, ImageChops.overlay(small, Image.merge("RGB", [noise] * 3)), grain)

    def ellipse(self, box: Box) -> Image.Image:
        return self.drawn(lambda draw: draw.ellipse(scaled(box), fill=255))

    def polygon(self, points: Sequence[Point]) -> Image.Image:
        return self.drawn(lambda draw: draw.polygon([scaled(point) for point in points], fill=255))

    def ring(self, box: Box, width: float) -> Image.Image:
        return self.drawn(lambda draw: draw.ellipse(scaled(box), outline=255, width=round(width * _OVERSAMPLING)))

    def line(self, points: Sequence[Point], width: float) -> Image.Image:
        path, pen_px = [scaled(point) for point in points], round(width * _OVERSAMPLING)
        return self.drawn(lambda draw: draw.line(path, fill=255, width=pen_px, joint="curve"))

    def soft(self, mask: Image.Image, radius: float, strength: float = 1.0) -> Image.Image:
        """Returns the mask with a blurred edge, weakened to `strength`."""
        return mask.filter(ImageFilter.GaussianBlur(radius * _OVERSAMPLING)).point(lambda value: value * strength)

    def gradient(self, left: float, right: float, brightness: Callable[[float], float]) -> Image.Image:
        """Returns columns whose brightness is a function of their position: 0 at `left` and 1 at `right`.

        It is constant beyond.
        """
        start, end = left * _OVERSAMPLING, right * _OVERSAMPLING
        row = [brightness(min(max((x - start) / (end - start), 0), 1)) for x in range(self._size[0])]
        strip = Image.frombytes("L", (len(row), 1), bytes(round(255 * min(max(value, 0), 1)) for value in row))
        return strip.resize(self._size)

    def glow(self, box: Box) -> Image.Image:
        """Returns an ellipse that is bright in the middle and fades to nothing at its edge."""
        left, top, right, bottom = (round(value) for value in scaled(box))
        mask = Image.new("L", self._size)
        # Pillow's gradient reaches 255 in its corners; on the edge of the ellipse it is 255 / sqrt(2).
        fading = Image.radial_gradient("L").point(lambda value: 255 * max(0.0, 1 - value * math.sqrt(2) / 255) ** 1.5)
        mask.paste(fading.resize((right - left, bottom - top), Image.BICUBIC), (left, top))
        return mask

    def fill(self, colour: Colour, mask: Image.Image | None = None) -> None:
        self._image.paste(colour, (0, 0, *self._size), mask)

    def shade(self, tones: Image.Image, dark: Colour, light: Colour, mask: Image.Image) -> None:
        """Paints the area of the mask in colours from `dark` to `light`, depending on the brightness of `tones`."""
        self._image.paste(ImageOps.colorize(tones, dark, light), (0, 0), mask)

    def darken(self, mask: Image.Image, shadow: Colour = (22, 16, 14)) -> None:
        self._image.paste(ImageChops.multiply(self._image, Image.new("RGB", self._size, shadow)), (0, 0), mask)

    def lighten(self, mask: Image.Image, light: Colour = (255, 244, 222)) -> None:
        self._image.paste(ImageChops.screen(self._image, Image.new("RGB", self._size, light)), (0, 0), mask)

    def wood_grain(self, coarse: float) -> Image.Image:
        """Returns the tones of planed wood: long, slightly wavy streaks of two widths.

        `coarse` is the length of a streak.
        """
        fine = self._streaks(coarse, 1.0)
        broad = self._streaks(coarse * 2, 7.0)
        return ImageOps.autocontrast(Image.blend(fine, broad, 0.6), cutoff=1)

    def plaster(self) -> Image.Image:
        """Returns the tones of a painted wall: faint clouds."""
        size = (self._size[0] // 90, self._size[1] // 90)
        return ImageOps.autocontrast(self._noise(size).resize(self._size, Image.BICUBIC))

    def _streaks(self, length: float, height: float) -> Image.Image:
        size = (round(self._size[0] / (length * _OVERSAMPLING)) + 2, round(self._size[1] / (height * _OVERSAMPLING)))
        return self._noise(size).resize(self._size, Image.BICUBIC)

    def _noise(self, size: tuple[int, int]) -> Image.Image:
        return Image.frombytes("L", size, self._rng.randbytes(size[0] * size[1]))

    def drawn(self, draw: Callable[[ImageDraw.ImageDraw], None]) -> Image.Image:
        mask = Image.new("L", self._size)
        draw(ImageDraw.Draw(mask))
        return mask


def scaled(values: Sequence[float]) -> tuple[float, ...]:
    """Returns the coordinates or lengths in the larger pixels of the unfinished picture."""
    return tuple(value * _OVERSAMPLING for value in values)


def both(first: Image.Image, second: Image.Image) -> Image.Image:
    """Returns the intersection of two masks."""
    return ImageChops.multiply(first, second)


def either(*masks: Image.Image) -> Image.Image:
    """Returns the union of the masks."""
    joined = masks[0]
    for mask in masks[1:]:
        joined = ImageChops.lighter(joined, mask)
    return joined
