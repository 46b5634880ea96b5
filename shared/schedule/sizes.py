"""Puts renders into size classes, by the pixels of their pictures and condition images. A worker announces the size
classes that fit into its memory, and claims only those.
"""

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Self

from shared.jobs.spec import RenderSettings

SIDES_PX = (1024, 1536, 2048)  # the last one is the largest picture of the model
CONDITION_SIDES_PX = (0, 1024, 2048, 3072, 4096, 5824, 8192)  # 5824: eight images of 2048x2048
_ANY, _SEPARATOR = "*", ","


@dataclass(frozen=True, slots=True)
class SizeClass:
    """All renders whose picture has at most `side_px` x `side_px` pixels, whatever its shape, and whose condition
    images have together at most `conditions_side_px` x `conditions_side_px` pixels.
    """

    side_px: int
    conditions_side_px: int = 0

    @property
    def name(self) -> str:
        """Returns the name in the store. It is '' for the ordinary sizes, which every worker can render: pictures of up
        to 1024x1024, and their edits with condition images of up to 1024x1024 in all.
        """
        if self in _ORDINARY:
            return ""
        return f"{self.side_px}+{self.conditions_side_px}" if self.conditions_side_px else str(self.side_px)

    @property
    def words(self) -> str:
        """Returns the size for people, such as `2048x2048 with 4096x4096 pixels of condition images`."""
        side, conditions = self.side_px, self.conditions_side_px
        extra = f" with {conditions}x{conditions} pixels of condition images" if conditions else ""
        return f"{side}x{side}{extra}"


_ORDINARY = (SizeClass(1024), SizeClass(1024, 1024))
_ALL = tuple(SizeClass(side, conditions) for side in SIDES_PX for conditions in CONDITION_SIDES_PX)
_BY_NAME = {each.name: each for each in _ALL if each.name}
SIZE_NAMES = tuple(_BY_NAME)  # of all size classes but the ordinary one


def size_class(settings: RenderSettings) -> SizeClass:
    """Returns the smallest size class that has a render. An image of unknown size counts as 1024x1024 pixels.

    Condition images of more than 8192x8192 pixels in all are in the largest class.
    """
    unknown = len(settings.images) - len(settings.image_sizes)
    conditions_px = sum(width * height for width, height in settings.image_sizes) + max(0, unknown) * 1024**2
    return size_of_areas(settings.width_px * settings.height_px, conditions_px)


def size_of_areas(picture_px: int, conditions_px: int) -> SizeClass:
    """Returns the smallest size class for these numbers of pixels: of the picture, and of all condition images."""
    side_px, conditions = _first_at_least(SIDES_PX, picture_px), _first_at_least(CONDITION_SIDES_PX, conditions_px)
    return SizeClass(side_px, conditions)


def size_named(name: str) -> SizeClass:
    """Returns the size class with this name. A name that only a later release knows gives the size that it says, or the
    largest one if it says none.
    """
    if not name:
        return SizeClass(1024, 1024)
    found = re.fullmatch(r"(\d{1,6})(?:\+(\d{1,6}))?", name)
    return SizeClass(int(found[1]), int(found[2] or 0)) if found else _ALL[-1]


def _first_at_least(sides_px: Iterable[int], area_px: int) -> int:
    sides_px = tuple(sides_px)
    return next((side for side in sides_px if side * side >= area_px), sides_px[-1])


@dataclass(frozen=True, slots=True)
class Sizes:
    """The size classes that a worker can render, besides the ordinary ones: `names`. None means all of them."""

    names: frozenset[str] | None = None

    @classmethod
    def of(cls, text: str) -> Self:
        """Returns the sizes in the text that a worker has announced."""
        return cls() if text == _ANY else cls(frozenset(filter(None, text.split(_SEPARATOR))))

    @classmethod
    def that_fit(cls, fits: Callable[[SizeClass], bool]) -> Self:
        """Returns the sizes for which `fits` is true."""
        names = frozenset(name for name, each in _BY_NAME.items() if fits(each))
        return cls(None if len(names) == len(_BY_NAME) else names)

    @property
    def text(self) -> str:
        """Returns the sizes as the store keeps them."""
        return _ANY if self.names is None else _SEPARATOR.join(name for name in SIZE_NAMES if name in self.names)

    def has(self, size: SizeClass) -> bool:
        return not size.name or self.names is None or size.name in self.names

    @property
    def largest_picture(self) -> SizeClass:
        """Returns the largest pictures without condition images."""
        return SizeClass(max(side for side in SIDES_PX if self.has(SizeClass(side))))

    def largest_edit(self, side_px: int) -> SizeClass | None:
        """Returns the edits of pictures of this size that have the largest condition images; None if there are none."""
        found = [each for each in _ALL if each.side_px == side_px and each.conditions_side_px and self.has(each)]
        return max(found, key=lambda each: each.conditions_side_px, default=None)

    @property
    def bounds(self) -> Sequence[SizeClass]:
        """Returns for each size of pictures the size class with the largest condition images, smallest pictures
        first.
        """
        pictures = [SizeClass(side) for side in SIDES_PX if self.has(SizeClass(side))]
        return [self.largest_edit(picture.side_px) or picture for picture in pictures]


ANY_SIZE = Sizes()
ORDINARY_SIZES = Sizes(frozenset())


def why_too_large(settings: RenderSettings, sizes: Sizes) -> str:
    """Returns why workers that can render `sizes` can't make a picture, such as `no live worker can render 2048x2048:
    the largest is 1024x1024`.
    """
    size, shown = size_class(settings), f"{settings.width_px}x{settings.height_px}"
    if not size.conditions_side_px or not sizes.has(SizeClass(size.side_px)):
        return f"no live worker can render {shown}: the largest is {sizes.largest_picture.words}"
    num, edit = len(settings.images), sizes.largest_edit(size.side_px)
    asked = f"no live worker can render {shown} with {num} condition image{'s' if num > 1 else ''}"
    if edit is None:
        return f"{asked}: only pictures without condition images can have this size"
    return f"{asked} of this size: the most is {edit.conditions_side_px}x{edit.conditions_side_px} pixels in all"


def union(all_sizes: Iterable[Sizes]) -> Sizes:
    """Returns the sizes that at least one of these workers can render."""
    found = list(all_sizes)
    if any(each.names is None for each in found):
        return ANY_SIZE
    return Sizes(frozenset[str]().union(*(each.names or () for each in found)))
