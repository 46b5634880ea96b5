"""Condition images become keys and values that every conditional denoise step of an edit reads."""

from collections.abc import Sequence

import torch
from diffusers.models.transformers.transformer_glm_image import GlmImageKVCache
from PIL import Image

from shared.errors import RenderFailed
from shared.token_grid import TokenGrid
from workers.dit.latents import encode_image
from workers.dit.model import DitModel
from workers.dit.prior_tokens import doubled_token_ids


def cache_conditions(model: DitModel, images: Sequence[Image.Image], grids: Sequence[TokenGrid]) -> GlmImageKVCache:
    """One clean pass (t = 0, no text) per image, in order; `grids[k]` holds the VQ ids of `images[k]`.

    Raises `RenderFailed("bad_condition_image")` when an image and its grid differ in size: the AR stage saw another
    image, or one that was not normalised (`shared.geometry.condition_size`).
    """
    cache = GlmImageKVCache(num_layers=model.transformer.config.num_layers)
    cache.set_mode("write")
    for image, grid in zip(images, grids, strict=True):
        _refuse_other_size(model, image, grid)
        _write(model, cache, encode_image(model, image), grid)
    return cache


def _refuse_other_size(model: DitModel, image: Image.Image, grid: TokenGrid) -> None:
    rows, cols = image.height // model.token_px, image.width // model.token_px
    if (rows, cols) != (2 * grid.size.rows, 2 * grid.size.cols):
        sizes = f"{image.width}x{image.height} and has a {grid.size.rows}x{grid.size.cols} grid"
        raise RenderFailed("bad_condition_image", f"a condition image is {sizes}")


def _write(model: DitModel, cache: GlmImageKVCache, latents: torch.Tensor, grid: TokenGrid) -> None:
    token_ids = doubled_token_ids(grid, model.device)
    size_px = [side * model.vae_scale_factor for side in latents.shape[-2:]]
    model.transformer(
        hidden_states=latents,
        encoder_hidden_states=latents.new_zeros(1, 0, model.transformer.config.text_embed_dim),
        prior_token_id=token_ids,
        prior_token_drop=torch.zeros_like(token_ids, dtype=torch.bool),
        timestep=torch.zeros(1, device=model.device),
        target_size=torch.tensor([size_px], device=model.device),
        crop_coords=torch.zeros(1, 2, device=model.device),
        kv_caches=cache,
    )
