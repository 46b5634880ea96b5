"""Looks at what came out of the AR model before anybody paints it."""

from shared.token_grid import TokenGrid

# A broken prompt scaffold was seen to give 15 distinct codes in 1,281 tokens, which the DiT then paints as clean noise.
# Sampling keeps even a plain picture above one distinct code in 64 tokens, so fewer means that the model has collapsed.
TOKENS_PER_DISTINCT_CODE = 64


def is_degenerate(grid: TokenGrid) -> bool:
    """Whether the grid has collapsed to a few codes: fewer than one distinct code in 64 tokens, and never just one."""
    return len(set(grid.tokens)) < max(2, grid.size.num_tokens // TOKENS_PER_DISTINCT_CODE)
