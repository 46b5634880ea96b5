"""Computes image sizes and token grids of GLM-Image in plain arithmetic, without tensors.

Sources: `GlmImageProcessor._get_target_shape` and `smart_resize` in transformers' `glm_image` package,
`GlmImagePipeline.__call__` in diffusers.
"""

import math
import re
from dataclasses import dataclass

from shared.errors import InvalidRequest
from shared.wording.values import quoted

SIZE_MULTIPLE_PX = 32  # one visual token covers 32x32 pixels
MIN_SIDE_PX = 256
MAX_SIDE_PX = 2048
MAX_AREA_PX = 2**22
MAX_SIDE_RATIO = 4

CODEBOOK_SIZE = 16_384  # GLM-Image's codes are 0..16383; another checkpoint may have a smaller codebook

_PATCH_PX = 16  # side of a ViT patch in the AR stage, and of a DiT token (VAE factor 8 x patch size 2)
_CONDITION_MIN_SIDE_PX = 512  # square root of `min_pixels` of GLM-Image's image processor
_CONDITION_MAX_SIDE_PX = 2048  # square root of its `max_pixels`

SIZE_PATTERN = r"^\s*([1-9][0-9]{0,4})\s*[xX*×]\s*([1-9][0-9]{0,4})\s*$"  # also valid in a JSON schema
_SIZE = re.compile(SIZE_PATTERN)


@dataclass(frozen=True, slots=True)
class GridSize:
    """The number of rows and columns of a grid of visual tokens."""

    rows: int
    cols: int

    @property
    def num_tokens(self) -> int:
        return self.rows * self.cols


def parse_size(text: str) -> tuple[int, int]:
    """Returns the width and height in a text such as `1152x1024`, `1152X1024`, `1152*1024` or `1152 × 1024`.

    Raises `ValueError` for any other text. `check_size` tells whether the model can render the size.
    """
    found = _SIZE.match(text)
    if found is None:
        raise ValueError("must be width x height in pixels, such as 1152x1024")
    return int(found[1]), int(found[2])


def check_size(width_px: int, height_px: int) -> None:
    """Raises `InvalidRequest` unless the model can render a picture of this size.

    Each side must be a multiple of 32 from 256 to 2048. The area is at most 2^22 pixels, and the longer side at most 4
    times the shorter one.
    """
    for field, side in (("width", width_px), ("height", height_px)):
        if not MIN_SIDE_PX <= side <= MAX_SIDE_PX:
            raise InvalidRequest(
                f"{field} must be from {MIN_SIDE_PX} to {MAX_SIDE_PX} pixels, not {quoted(side)}", field
            )
        if side % SIZE_MULTIPLE_PX:
            low = side // SIZE_MULTIPLE_PX * SIZE_MULTIPLE_PX
            nearest = f"{low} or {low + SIZE_MULTIPLE_PX}"
            raise InvalidRequest(f"{field} must be a multiple of {SIZE_MULTIPLE_PX}, not {side}: try {nearest}", field)
    if width_px * height_px > MAX_AREA_PX:
        raise InvalidRequest(f"{width_px}x{height_px} has more than {MAX_AREA_PX} pixels", "size")
    if max(width_px, height_px) > MAX_SIDE_RATIO * min(width_px, height_px):
        raise InvalidRequest(f"{width_px}x{height_px} has sides in a ratio of more than {MAX_SIDE_RATIO}:1", "size")


def aligned_size(width_px: int, height_px: int) -> tuple[int, int]:
    """Rounds a width and a height in pixels up to multiples of 32, the size of a token. Returns both.

    `check_size` tells whether the model can render the result.
    """

    def up(side_px: int) -> int:
        return -(-side_px // SIZE_MULTIPLE_PX) * SIZE_MULTIPLE_PX

    return up(width_px), up(height_px)


def large_grid(width_px: int, height_px: int) -> GridSize:
    """Returns the size of the token grid that the DiT decodes: one token for each 32x32 pixels of the picture."""
    return GridSize(height_px // SIZE_MULTIPLE_PX, width_px // SIZE_MULTIPLE_PX)


def small_grid(width_px: int, height_px: int) -> GridSize:
    """Returns the size of the draft grid that AR generates first for a text-to-image render. The draft grid has about
    256 tokens and the aspect ratio of the picture.

    The large grid is the token grid from which the DiT makes the picture. If it has `rows` rows and `cols` columns, the
    draft grid has `int(sqrt(rows / cols) * 16)` rows and `int(sqrt(cols / rows) * 16)` columns. At 1024x1024 the sides
    of the draft grid are half of the large grid's sides; at other sizes they are not. Source:
    `GlmImageProcessor._get_target_shape`.
    """
    grid = large_grid(width_px, height_px)
    ratio = grid.rows / grid.cols
    half = SIZE_MULTIPLE_PX // 2
    return GridSize(int(math.sqrt(ratio) * half), int(math.sqrt(1 / ratio) * half))


def num_decode_steps(width_px: int, height_px: int, *, is_edit: bool) -> int:
    """Returns how many tokens the AR model samples for one picture: all tokens of its grids and one end token.

    The number is known before the render starts. A text-to-image render has a draft grid and a large grid. An edit has
    only the large grid.
    """
    drafts = 0 if is_edit else small_grid(width_px, height_px).num_tokens
    return drafts + large_grid(width_px, height_px).num_tokens + 1


def condition_grid(width_px: int, height_px: int) -> GridSize:
    """Returns the size of the grid of tokens that AR makes of a condition image (`smart_resize` with factor 16).

    Raises `ValueError` for a side under 16 pixels or an aspect ratio over 4, as `smart_resize` does.
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
    """Returns whether the VAE and the AR model make matching grids of a condition image of this size.

    The reference pipeline has a preprocessor for each of them. The grid for the VAE has floor(side / 16) cells along
    each side. The grids match if the grid for AR has exactly half as many rows and columns as the grid for the VAE.
    """
    if min(width_px, height_px) < _PATCH_PX or max(width_px, height_px) > MAX_SIDE_RATIO * min(width_px, height_px):
        return False
    grid = condition_grid(width_px, height_px)
    return (height_px // _PATCH_PX, width_px // _PATCH_PX) == (2 * grid.rows, 2 * grid.cols)


def condition_size(width_px: int, height_px: int) -> tuple[int, int]:
    """Returns the width and height to which a condition image of this size is scaled before both stages.

    The size stays unchanged if the grids for the VAE and the AR model match (see `sides_agree`). Any other size is
    scaled so that both sides are from 512 to 2048 pixels, and rounded to multiples of 32. At these sizes the grids
    always match. An aspect ratio over 4:1 becomes 4:1, and the caller pads the image.
    """
    if sides_agree(width_px, height_px):
        return width_px, height_px
    short, long = sorted((width_px, height_px))
    scale = min(max(1.0, _CONDITION_MIN_SIDE_PX / short), _CONDITION_MAX_SIDE_PX / long)

    def fit(side_px: int) -> int:
        rounded = round(side_px * scale / SIZE_MULTIPLE_PX) * SIZE_MULTIPLE_PX
        return min(max(rounded, _CONDITION_MIN_SIDE_PX), _CONDITION_MAX_SIDE_PX)

    return fit(width_px), fit(height_px)
