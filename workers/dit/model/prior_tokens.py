"""Checks a render's token grids, and converts a grid for the transformer, which needs one token for each
16x16 pixels.
"""

import torch

from shared.errors import RenderFailed
from shared.geometry import GridSize
from shared.jobs.spec import RenderSettings
from shared.jobs.token_grid import Prior, TokenGrid


def checked_prior(prior: Prior | None, settings: RenderSettings, num_codes: int) -> Prior:
    """Returns the prior, the AR stage's output for a render, if the DiT can use it. `num_codes` is the size of the
    transformer's codebook.

    Raises `RenderFailed("bad_prior")` if the prior is missing, has another size or number of images than the settings,
    or contains a code that the codebook lacks.
    """
    if prior is None:
        raise RenderFailed("bad_prior", "the render came to the DiT stage without a token grid")
    if prior.grid.size != settings.grid:
        raise RenderFailed("bad_prior", f"the token grid is {_text(prior.grid.size)}, not {_text(settings.grid)}")
    if len(prior.condition_grids) != len(settings.images):
        counts = f"{len(prior.condition_grids)} condition grids for {len(settings.images)} images"
        raise RenderFailed("bad_prior", counts)
    highest = max(max(grid.tokens) for grid in (prior.grid, *prior.condition_grids))
    if highest >= num_codes:
        raise RenderFailed("bad_prior", f"the token grid has code {highest}, the codebook only 0 to {num_codes - 1}")
    return prior


def doubled_token_ids(grid: TokenGrid) -> torch.Tensor:
    """Returns the grid's token ids at twice the resolution, by nearest neighbour. A token of the grid covers 32x32
    pixels, a token of the result 16x16.

    The result is (1, 4 * tokens), int64 on the host, row by row.
    """
    ids = torch.tensor(grid.tokens).view(grid.size.rows, grid.size.cols)
    return ids.repeat_interleave(2, dim=0).repeat_interleave(2, dim=1).view(1, -1)


def _text(size: GridSize) -> str:
    return f"{size.rows}x{size.cols}"
