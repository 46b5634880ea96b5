"""Counts the floating-point operations of a forward pass. A multiplication and an addition count as two."""

from benchmarks.dit_renders import Size
from workers.checkpoint.dit_parts import DitShape

_TOKEN_PX = 16
_GLYPH_TOKENS = 1  # a prompt without quoted text has only the end token


def num_tokens(size: Size) -> int:
    return size[0] // _TOKEN_PX * (size[1] // _TOKEN_PX) + _GLYPH_TOKENS


def forward_flop(shape: DitShape, tokens: int) -> float:
    """Returns the operations of one row: 12 width^2 weights per block and token, and the two products of attention,
    which grow with tokens^2.

    Left out are operations that run once per render, norms, and the modulation of one row by the time: under 2 % at any
    size.
    """
    width = shape.num_heads * shape.head_dim
    linear = 2 * 12 * width**2 * tokens
    attention = 2 * 2 * width * tokens**2
    return float(shape.num_layers * (linear + attention))
