"""Identifies the shape of a mask from its geometry alone: area, convex hull, hole, notch and tips."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from scipy import ndimage
from scipy.signal import find_peaks
from scipy.spatial import ConvexHull

from benchmarks.demo_model.colours import Mask

_TURNS = 72  # number of directions in the radial profile


@dataclass(frozen=True, slots=True)
class Outline:
    """Measurements of one mask. All but `hole` are taken with holes filled; lengths are shares of the bounding box."""

    aspect: float  # width / height of the bounding box
    hole: float  # share of the filled area
    extent: float  # area / area of the bounding box
    solidity: float  # area / area of the convex hull
    centroid_y: float  # 0 is the top
    notch: float  # depth of the dent in the middle of the top
    num_tips: int  # maxima of the distance from the centroid to the edge


def outline_of(mask: Mask) -> Outline:
    """Returns the measurements of a mask that has at least one pixel."""
    crop = mask[ndimage.find_objects(mask.astype(int))[0]]
    filled = ndimage.binary_fill_holes(crop)
    height, width = filled.shape
    area = float(filled.sum())
    centroid = ndimage.center_of_mass(filled)
    return Outline(
        aspect=width / height,
        hole=1 - float(crop.sum()) / area,
        extent=area / (height * width),
        solidity=area / _hull_area(filled),
        centroid_y=(centroid[0] + 0.5) / height,
        notch=_notch(filled),
        num_tips=_num_tips(filled, centroid),
    )


def shape_of(mask: Mask) -> str | None:
    """Returns the name of the mask's shape, or None if it matches no shape or several."""
    outline = outline_of(mask)
    names = [name for name, is_one in _RULES.items() if is_one(outline)]
    return names[0] if len(names) == 1 else None


def _is_round(outline: Outline) -> bool:
    return _is_as_wide_as_high(outline.aspect) and 0.72 <= outline.extent <= 0.85 and outline.solidity > 0.93


def _is_as_wide_as_high(aspect: float) -> bool:
    return 0.8 <= aspect <= 1.25


_FULL = 0.06  # a hole below this share is noise; rings have a hole of 36 %
_RULES: Mapping[str, Callable[[Outline], bool]] = {
    "circle": lambda it: it.hole < _FULL and _is_round(it) and abs(it.centroid_y - 0.5) < 0.05 and it.notch < 0.08,
    "ring": lambda it: 0.12 < it.hole < 0.8 and _is_round(it),
    "square": lambda it: it.hole < _FULL and _is_as_wide_as_high(it.aspect) and it.extent > 0.9,
    "triangle": lambda it: (
        it.hole < _FULL
        and 0.8 <= it.aspect <= 1.5
        and 0.42 <= it.extent <= 0.6
        and it.solidity > 0.88
        and it.centroid_y > 0.58
    ),
    "star": lambda it: (
        it.hole < _FULL
        and _is_as_wide_as_high(it.aspect)
        and it.extent < 0.5
        and it.solidity < 0.72
        and it.num_tips == 5
    ),
    "heart": lambda it: (
        it.hole < _FULL
        and _is_as_wide_as_high(it.aspect)
        and 0.5 <= it.extent <= 0.76
        and 0.8 < it.solidity < 0.985
        and it.centroid_y < 0.5
        and it.notch > 0.08
    ),
}


def _hull_area(filled: Mask) -> float:
    """Returns the area of the convex hull around the corners of all pixels. SciPy calls a polygon's area its volume."""
    rows = np.arange(len(filled))
    first, last = filled.argmax(axis=1), filled.shape[1] - filled[:, ::-1].argmax(axis=1)
    used = filled.any(axis=1)
    corners = [
        (row + dy, col)
        for row, pair in zip(rows[used], zip(first[used], last[used], strict=True), strict=True)
        for col in pair
        for dy in (0, 1)
    ]
    return float(ConvexHull(np.array(corners, dtype=float)).volume)


def _notch(filled: Mask) -> float:
    """Returns how much lower the top edge is in the middle tenth than at the highest points of both sides, as a
    share of the height.
    """
    height, width = filled.shape
    tops = np.where(filled.any(axis=0), filled.argmax(axis=0), height)
    half = max(1, width // 20)
    middle = tops[width // 2 - half : width // 2 + half + 1].max()
    left, right = tops[: width // 2].min(), tops[width // 2 :].min()
    return float(middle - max(left, right)) / height


def _num_tips(filled: Mask, centroid: tuple[float, ...]) -> int:
    rows, cols = np.nonzero(filled)
    down, across = rows - centroid[0], cols - centroid[1]
    turns = ((np.arctan2(down, across) / (2 * np.pi) + 0.5) * _TURNS).astype(int) % _TURNS
    radii = np.zeros(_TURNS)
    np.maximum.at(radii, turns, np.hypot(down, across))
    smooth = ndimage.uniform_filter1d(radii, 3, mode="wrap")
    begin = int(np.argmin(smooth))  # the profile starts at its minimum, so that no peak is cut at its ends
    peaks, _ = find_peaks(np.roll(smooth, -begin), prominence=0.15 * smooth.max())
    return len(peaks)
