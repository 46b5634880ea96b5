"""Checks the token grid of the AR model before it goes to the DiT stage."""

from shared.geometry import CODEBOOK_SIZE
from shared.jobs.token_grid import TokenGrid

# Measured with GLM-Image's codebook. A broken prompt template once gave 15 distinct codes in 1,281 tokens, and the DiT
# makes clean noise of such a grid. Sampling gives even a plain picture more than one distinct code in 64 tokens. A grid
# with fewer distinct codes shows that the model has collapsed.
TOKENS_PER_DISTINCT_CODE = 64


def is_degenerate(grid: TokenGrid, num_codes: int) -> bool:
    """Returns whether the token grid has so few distinct codes that the AR model must have collapsed.

    With the full codebook, a grid needs at least one distinct code for every 64 tokens, and at least two in total.
    `num_codes` is the size of the checkpoint's codebook. If this codebook is smaller, a grid needs fewer distinct codes
    in the same proportion, because a smaller codebook distinguishes fewer things. For example, a correct grid of a
    black square on white at 1024x1024 had only 12 distinct codes, with a codebook of 1,024 codes.
    """
    share_of_codebook = num_codes / CODEBOOK_SIZE
    return len(set(grid.tokens)) < max(2, int(grid.size.num_tokens * share_of_codebook / TOKENS_PER_DISTINCT_CODE))
