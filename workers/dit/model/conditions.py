"""Condition images become keys and values that every conditional denoise step of an edit reads."""

from collections.abc import Hashable, Sequence

import torch
from diffusers.models.transformers.transformer_glm_image import GlmImageKVCache
from PIL import Image

from shared.errors import RenderFailed
from shared.jobs.leases import Claim
from shared.jobs.token_grid import TokenGrid
from workers.dit.model.latents import encode_pixels
from workers.dit.model.loading import DitModel
from workers.dit.model.prior_tokens import doubled_token_ids


class ConditionCache:
    """Keys and values of the condition images that came last: all renders of a job read the same.

    One set is kept here, since it is large: 2 GB for a 1024x1024 image at full size in bfloat16. Renders that have
    begun keep the set that they read, until the engine takes it from them (`workers.dit.memory`).
    """

    def __init__(self, model: DitModel) -> None:
        self._model = model
        self._kept: tuple[Hashable, GlmImageKVCache] | None = None

    def get(self, key: Hashable, pixels: Sequence[torch.Tensor], grids: Sequence[TokenGrid]) -> GlmImageKVCache:
        """What is kept under `key`, else one clean pass (t = 0, no text) per image; `grids[k]` has image k's VQ ids."""
        if self._kept is None or self._kept[0] != key:
            self._kept = None  # before the next one takes its memory
            self._kept = key, self._compute(pixels, grids)
        return self._kept[1]

    def forget(self, key: Hashable) -> None:
        """Keeps the set under `key` no longer."""
        if self._kept and self._kept[0] == key:
            self._kept = None

    def clear(self) -> None:
        self._kept = None

    def _compute(self, pixels: Sequence[torch.Tensor], grids: Sequence[TokenGrid]) -> GlmImageKVCache:
        cache = GlmImageKVCache(num_layers=self._model.transformer.config.num_layers)
        cache.set_mode("write")
        for image, grid in zip(pixels, grids, strict=True):
            _write(self._model, cache, encode_pixels(self._model, image), grid)
        cache.set_mode("read")
        return cache


def condition_set(claim: Claim) -> Hashable:
    """Returns the key under which renders with the same condition images share their keys and values."""
    grids = claim.prior.condition_grids if claim.prior else ()
    return claim.job_id, claim.settings.images, grids


def refuse_other_sizes(model: DitModel, images: Sequence[Image.Image], grids: Sequence[TokenGrid]) -> None:
    """Raises `RenderFailed("bad_condition_image")` when an image and its grid differ in size.

    The AR stage saw another image then, or one that was not normalised (`shared.geometry.condition_size`).
    """
    for image, grid in zip(images, grids, strict=True):
        rows, cols = image.height // model.token_px, image.width // model.token_px
        if (rows, cols) != (2 * grid.size.rows, 2 * grid.size.cols):
            sizes = f"{image.width}x{image.height} and has a {grid.size.rows}x{grid.size.cols} grid"
            raise RenderFailed("bad_condition_image", f"a condition image is {sizes}")


def _write(model: DitModel, cache: GlmImageKVCache, latents: torch.Tensor, grid: TokenGrid) -> None:
    token_ids = doubled_token_ids(grid).to(model.device)
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
