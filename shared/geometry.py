"""Sizes and grids of GLM-Image, in plain arithmetic. Knows nothing of tensors.

Sources: `GlmImageProcessor._get_target_shape` and `smart_resize` in transformers' `glm_image` package,
`GlmImagePipeline.__call__` in diffusers.
"""

import math
from dataclasses import dataclass

from shared.errors import InvalidRequest

SIZE_MULTIPLE_PX = 32  # one visual token covers 32x32 pixels
MIN_SIDE_PX = 256
MAX_SIDE_PX = 2048
MAX_AREA_PX = 2**22
MAX_SIDE_RATIO = 4

CODEBOOK_SIZE = 16_384  # of GLM-Image: codes are 0..16383. A checkpoint may have a smaller codebook

_PATCH_PX = 16  # side of a ViT patch (AR side) and of a DiT token (VAE factor 8 x patch 2)
_CONDITION_MIN_SIDE_PX = 512  # sqrt of the image processor's min_pixels
_CONDITION_MAX_SIDE_PX = 2048  # sqrt of its max_pixels


@dataclass(frozen=True, slots=True)
class GridSize:
    """Rows and columns of a grid of visual tokens."""

    rows: int
    cols: int

    @property
    def num_tokens(self) -> int:
        return self.rows * self.cols


def check_size(width_px: int, height_px: int) -> None:
    """Raises `InvalidRequest` unless the model can render this size.

    Sides are multiples of 32 from 256 to 2048, the area is at most 2^22, the longer side at most 4 times the shorter.
    """
    for field, side in (("width", width_px), ("height", height_px)):
        if not MIN_SIDE_PX <= side <= MAX_SIDE_PX:
            raise InvalidRequest(f"{field} must be from {MIN_SIDE_PX} to {MAX_SIDE_PX} pixels, not {side}", field)
        if side % SIZE_MULTIPLE_PX:
            low = side // SIZE_MULTIPLE_PX * SIZE_MULTIPLE_PX
            nearest = f"{low} or {low + SIZE_MULTIPLE_PX}"
            raise InvalidRequest(f"{field} must be a multiple of {SIZE_MULTIPLE_PX}, not {side}: try {nearest}", field)
    if width_px * height_px > MAX_AREA_PX:
        raise InvalidRequest(f"{width_px}x{height_px} has more than {MAX_AREA_PX} pixels", "size")
    if max(width_px, height_px) > MAX_SIDE_RATIO * min(width_px, height_px):
        raise InvalidRequest(f"{width_px}x{height_px} is longer than {MAX_SIDE_RATIO}:1", "size")


def aligned_size(width_px: int, height_px: int) -> tuple[int, int]:
    """The smallest size of whole tokens that covers this one. `check_size` says whether it can be rendered."""

    def up(side_px: int) -> int:
        return -(-side_px // SIZE_MULTIPLE_PX) * SIZE_MULTIPLE_PX

    return up(width_px), up(height_px)


def large_grid(width_px: int, height_px: int) -> GridSize:
    """The grid that the DiT decodes: one token per 32x32 pixels."""
    return GridSize(height_px // SIZE_MULTIPLE_PX, width_px // SIZE_MULTIPLE_PX)


def small_grid(width_px: int, height_px: int) -> GridSize:
    """The draft grid that text-to-image generates first: about 256 tokens of the same aspect ratio.

    It is `int(sqrt(rows / cols) * 16) x int(sqrt(cols / rows) * 16)`, not half of the large grid; the two agree at
    1024x1024 only (`GlmImageProcessor._get_target_shape`).
    """
    grid = large_grid(width_px, height_px)
    ratio = grid.rows / grid.cols
    half = SIZE_MULTIPLE_PX // 2
    return GridSize(int(math.sqrt(ratio) * half), int(math.sqrt(1 / ratio) * half))


def num_decode_steps(width_px: int, height_px: int, *, is_edit: bool) -> int:
    """Tokens that the AR model samples for one picture: the grids and the end token, known before it starts."""
    drafts = 0 if is_edit else small_grid(width_px, height_px).num_tokens
    return drafts + large_grid(width_px, height_px).num_tokens + 1


def condition_grid(width_px: int, height_px: int) -> GridSize:
    """The grid of VQ ids that the AR side makes of a condition image (`smart_resize`, factor 16).

    Raises `ValueError` for sides under 16 pixels or a ratio over 4, as `smart_resize` does.
    """
    short, long = sorted((width_px, height_px))
    if short < _PATCH_PX or long > MAX_SIDE_RATIO * short:
        raise ValueError(f"no condition grid for {width_px}x{height_px}")
    scale = max(1.0, _CONDITION_MIN_SIDE_PX / short)
    if long * scale > _CONDITION_MAX_SIDE_PX:
        scale = _CONDITION_MAX_SIDE_PX / long

    def patches(side_px: int) -> int:
        return max(1, round(side_px // 2 * scale / _PATCH_PX))

    return GridSize(patches(height_px), patches(width_px))


def sides_agree(width_px: int, height_px: int) -> bool:
    """Whether the reference's two preprocessors see one grid: VAE side floor(side / 16), AR side twice its own."""
    if min(width_px, height_px) < _PATCH_PX or max(width_px, height_px) > MAX_SIDE_RATIO * min(width_px, height_px):
        return False
    grid = condition_grid(width_px, height_px)
    return (height_px // _PATCH_PX, width_px // _PATCH_PX) == (2 * grid.rows, 2 * grid.cols)


def condition_size(width_px: int, height_px: int) -> tuple[int, int]:
    """Width and height to which a condition image of this size is brought before both stages.

    A size on which both sides agree is kept. Any other is scaled so that its sides lie between 512 and 2048 and
    rounded to multiples of 32, where they always agree. Sides longer than 4:1 end at 4:1: the caller pads.
    """
    if sides_agree(width_px, height_px):
        return width_px, height_px
    short, long = sorted((width_px, height_px))
    scale = min(max(1.0, _CONDITION_MIN_SIDE_PX / short), _CONDITION_MAX_SIDE_PX / long)

    def fit(side_px: int) -> int:
        rounded = round(side_px * scale / SIZE_MULTIPLE_PX) * SIZE_MULTIPLE_PX
        return min(max(rounded, _CONDITION_MIN_SIDE_PX), _CONDITION_MAX_SIDE_PX)

    return fit(width_px), fit(height_px)
