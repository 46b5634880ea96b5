"""One claim, rendered by our runner and by the reference pipeline."""

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from diffusers import GlmImagePipeline
from PIL import Image

from shared.jobs.leases import Claim
from shared.jobs.token_grid import Prior, TokenGrid
from workers.dit.model.denoise_state import DenoiseState
from workers.dit.model.runner import DitRunner


def denoise(runner: DitRunner, claim: Claim, images: Sequence[Image.Image] = ()) -> DenoiseState:
    """Returns the state after the last step, without the slow decode."""
    state = runner.start(claim, images)
    while not state.is_done:
        runner.denoise_step(state)
    return state


def render(runner: DitRunner, claim: Claim, images: Sequence[Image.Image] = ()) -> Image.Image:
    return runner.decode(denoise(runner, claim, images))


def reference_render(pipeline: GlmImagePipeline, claim: Claim, images: Sequence[Image.Image] = ()) -> Image.Image:
    settings = claim.settings
    return pipeline(
        prompt=settings.prompt,
        prior_token_ids=_upsampled(claim.prior.grid),
        height=settings.height_px,
        width=settings.width_px,
        num_inference_steps=settings.num_inference_steps,
        guidance_scale=settings.guidance_scale,
        generator=torch.Generator().manual_seed(claim.seed),
        **(_conditions(claim.prior, images) if images else {}),
    ).images[0]


def largest_difference(one: Image.Image, other: Image.Image) -> int:
    """Of 255, over all pixels and channels."""
    assert one.size == other.size
    return int(np.abs(np.asarray(one, dtype=int) - np.asarray(other, dtype=int)).max())


def _conditions(prior: Prior, images: Sequence[Image.Image]) -> Mapping[str, object]:
    sizes = [(1, 2 * grid.size.rows, 2 * grid.size.cols) for grid in prior.condition_grids]
    return {
        "image": list(images),
        "prior_token_image_ids": [torch.cat([_upsampled(grid).squeeze(0) for grid in prior.condition_grids])],
        "source_image_grid_thw": [torch.tensor(sizes)],
    }


def _upsampled(grid: TokenGrid) -> torch.Tensor:
    return GlmImagePipeline._upsample_token_ids(torch.tensor(grid.tokens), grid.size.rows, grid.size.cols)
