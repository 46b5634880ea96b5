"""Estimates the device memory that a render needs, from its request and the model's configuration."""

from shared.geometry import GridSize
from shared.jobs.leases import Claim
from workers.dit.byte_counts import decode_bytes, step_bytes, tiled_decode_bytes
from workers.dit.memory import RenderBytes
from workers.dit.model.conditions import condition_set
from workers.dit.model.loading import DitModel

_LATENTS = 4  # float32 tensors: the latents, the last noise, and the noise of up to two steps that a tier reuses


def needs_of(model: DitModel, claim: Claim) -> RenderBytes:
    """Returns the device memory that a claimed render needs in the DiT stage."""
    config, item_bytes = model.transformer.config, model.dtype.itemsize
    width = config.num_attention_heads * config.attention_head_dim
    settings = claim.settings
    num_tokens = _num_tokens(settings.grid)
    images = [_num_tokens(grid.size) for grid in claim.prior.condition_grids] if claim.prior else []
    num_latents = config.in_channels * settings.width_px * settings.height_px // model.vae_scale_factor**2
    key_bytes = 2 * sum(images) * width * item_bytes  # keys and values of the condition images in one layer
    step = step_bytes(num_tokens, width, item_bytes) + key_bytes
    conditions = step_bytes(max(images, default=0), width, item_bytes)
    size = settings.width_px, settings.height_px
    bytes_of = tiled_decode_bytes if model.tiles(*size) else decode_bytes
    decode = bytes_of(*size, model.vae.config.block_out_channels[1], item_bytes)
    return RenderBytes(
        held=num_tokens * width * item_bytes + _LATENTS * num_latents * 4,
        working=max(step, conditions, decode),
        conditions=config.num_layers * key_bytes,
        condition_set=condition_set(claim) if images else None,
    )


def _num_tokens(grid: GridSize) -> int:
    """Returns the number of the transformer's tokens for a token grid. It is four for each token of the grid, because a
    token of the transformer has half of the width and height of a token of the grid.
    """
    return 4 * grid.num_tokens
