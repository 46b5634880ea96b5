"""Looks at what came out of the AR model before anybody paints it."""

from shared.geometry import CODEBOOK_SIZE
from shared.jobs.token_grid import TokenGrid

# Measured with GLM-Image's codebook. A broken prompt scaffold was seen to give 15 distinct codes in 1,281 tokens, which
# the DiT then paints as clean noise. Sampling keeps even a plain picture above one distinct code in 64 tokens, so fewer
# means that the model has collapsed.
TOKENS_PER_DISTINCT_CODE = 64


def is_degenerate(grid: TokenGrid, num_codes: int) -> bool:
    """Whether the grid has collapsed to a few codes: fewer than one distinct code in 64 tokens, and never just one.

    A codebook of fewer codes (`num_codes`) tells fewer things apart, so the bound falls in proportion: of 1,024 trained
    codes, 12 were enough for a black square on white at 1024x1024.
    """
    share_of_codebook = num_codes / CODEBOOK_SIZE
    return len(set(grid.tokens)) < max(2, int(grid.size.num_tokens * share_of_codebook / TOKENS_PER_DISTINCT_CODE))
