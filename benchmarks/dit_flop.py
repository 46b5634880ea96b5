"""Counts a forward's floating-point operations; a multiplication and an addition are two."""

from benchmarks.dit_renders import Size
from workers.checkpoint.dit_parts import DitShape

_TOKEN_PX = 16
_GLYPH_TOKENS = 1  # a prompt without quoted text: the end token


def num_tokens(size: Size) -> int:
    return size[0] // _TOKEN_PX * (size[1] // _TOKEN_PX) + _GLYPH_TOKENS


def forward_flop(shape: DitShape, tokens: int) -> float:
    """Of one row: 12 width^2 weights a block and token, and attention's two products, which grow with tokens^2.

    What runs once a render, norms and the modulation of one row by the time are left out: under 2 % at any size.
    """
    width = shape.num_heads * shape.head_dim
    linear = 2 * 12 * width**2 * tokens
    attention = 2 * 2 * width * tokens**2
    return float(shape.num_layers * (linear + attention))
