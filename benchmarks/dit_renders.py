"""Defines the renders of the DiT benchmarks. Engine and reference use the same random prior tokens."""

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from diffusers import GlmImagePipeline
from PIL import Image

from shared.geometry import CODEBOOK_SIZE, large_grid
from shared.ids import Fence, HolderId, JobId, RenderId, Revision
from shared.jobs.leases import Claim, Lease
from shared.jobs.spec import Quality, RenderSettings
from shared.jobs.states import Stage
from shared.jobs.token_grid import Prior, TokenGrid
from workers.dit.model.prior_tokens import doubled_token_ids

Size = tuple[int, int]  # width, height in pixels
PROMPT = "a harbour at dawn"
SEED = 1


def a_claim(size: Size, steps: int, quality: Quality = Quality.EXACT) -> Claim:
    """Returns a claim for a render with guidance, as by default, so a step has two forward passes."""
    width_px, height_px = size
    settings = RenderSettings(
        prompt=PROMPT, width_px=width_px, height_px=height_px, num_inference_steps=steps, quality=quality
    )
    grid = large_grid(width_px, height_px)
    tokens = np.random.default_rng(SEED).integers(0, CODEBOOK_SIZE, grid.num_tokens)
    lease = Lease(RenderId("render"), Stage.DIT, Fence(1), HolderId("holder"))
    prior = Prior(TokenGrid(grid, tuple(tokens.tolist())), ())
    return Claim(lease, JobId("job"), 0, settings, SEED, Revision("revision"), prior)


def reference_picture(
    pipeline: GlmImagePipeline, claim: Claim, on_step_end: Callable[..., dict[str, Any]]
) -> Image.Image:
    assert claim.prior
    settings = claim.settings
    picture: Image.Image = pipeline(
        prompt=settings.prompt,
        prior_token_ids=doubled_token_ids(claim.prior.grid).to(pipeline.device),
        height=settings.height_px,
        width=settings.width_px,
        num_inference_steps=settings.num_inference_steps,
        guidance_scale=settings.guidance_scale,
        generator=torch.Generator(pipeline.device).manual_seed(claim.seed),
        callback_on_step_end=on_step_end,
    ).images[0]
    return picture


def sized(size: Size) -> str:
    return f"{size[0]}x{size[1]}"
