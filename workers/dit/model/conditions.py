"""Computes the keys and values of condition images, which every conditional denoise step of an edit reads."""

from collections.abc import Hashable, Sequence
from contextlib import nullcontext

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
    """Caches the keys and values of the condition images that were used last. The renders of a job have the same images
    and share them.

    Only one set of images is cached, because its keys and values are large: 2 GB for a 1024x1024 image at full model
    size in bfloat16. A render that has begun has its own reference to its keys and values, until the engine takes them
    away (`workers.dit.memory`).
    """

    def __init__(self, model: DitModel) -> None:
        self._model = model
        self._kept: tuple[Hashable, GlmImageKVCache] | None = None

    def get(self, key: Hashable, pixels: Sequence[torch.Tensor], grids: Sequence[TokenGrid]) -> GlmImageKVCache:
        """Returns the keys and values of a set of condition images. `key` identifies the set; `grids[k]` is the token
        grid of image k.

        If they are not cached, they are computed by one forward pass for each image, without noise (t = 0) and without
        text.
        """
        if self._kept is None or self._kept[0] != key:
            self._kept = None  # frees the old set before the new one is allocated
            self._kept = key, self._compute(pixels, grids)
        return self._kept[1]

    def forget(self, key: Hashable) -> None:
        """Removes the keys and values of the set `key` from the cache."""
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
    """Returns a value that identifies the render's set of condition images. Renders with equal values share the keys
    and values of these images.
    """
    grids = claim.prior.condition_grids if claim.prior else ()
    return claim.job_id, claim.settings.images, grids


def refuse_other_sizes(model: DitModel, images: Sequence[Image.Image], grids: Sequence[TokenGrid]) -> None:
    """Raises `RenderFailed("bad_condition_image")` if the size of a condition image does not match its token grid.

    A mismatch means that the AR stage used another image, or an image that was not normalised
    (`shared.geometry.condition_size`).
    """
    for image, grid in zip(images, grids, strict=True):
        rows, cols = image.height // model.token_px, image.width // model.token_px
        if (rows, cols) != (2 * grid.size.rows, 2 * grid.size.cols):
            sizes = f"{image.width}x{image.height} and has a {grid.size.rows}x{grid.size.cols} grid"
            raise RenderFailed("bad_condition_image", f"a condition image is {sizes}")


def _write(model: DitModel, cache: GlmImageKVCache, latents: torch.Tensor, grid: TokenGrid) -> None:
    """Appends the keys and values of one condition image to the cache.

    It never runs compiled blocks. The compiler would make a graph for each number of images that the cache already has,
    and would give up compiling after eight graphs.
    """
    is_compiled = model.transformer.transformer_blocks[0]._compiled_call_impl is not None
    with torch.compiler.set_stance("force_eager") if is_compiled else nullcontext():
        _write_eagerly(model, cache, latents, grid)


def _write_eagerly(model: DitModel, cache: GlmImageKVCache, latents: torch.Tensor, grid: TokenGrid) -> None:
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
