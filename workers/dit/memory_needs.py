"""Estimates the device memory that a render needs, from its request and the model's configuration."""

from collections.abc import Hashable, Sequence

from shared.geometry import MAX_AREA_PX, GridSize, large_grid
from shared.jobs.leases import Claim
from shared.schedule.sizes import ANY_SIZE, SizeClass, Sizes
from workers.dit.byte_counts import decode_bytes, step_bytes, tiled_decode_bytes
from workers.dit.memory import RenderBytes
from workers.dit.model.conditions import condition_set
from workers.dit.model.loading import DitModel

_TOKEN_PX = 16 * 16  # the pixels of a token of the transformer
_LATENTS = 4  # float32 tensors: the latents, the last noise, and the noise of up to two steps that a tier reuses


def needs_of(model: DitModel, claim: Claim) -> RenderBytes:
    """Returns the device memory that a claimed render needs in the DiT stage."""
    images = [_num_tokens(grid.size) for grid in claim.prior.condition_grids] if claim.prior else []
    size = claim.settings.width_px, claim.settings.height_px
    return _needs(model, size, images, condition_set(claim) if images else None)


def sizes_that_fit(model: DitModel, room: int | None) -> Sizes:
    """Returns the sizes of renders that fit into `room`, the bytes of device memory beside the weights. None means a
    CPU, whose memory is not counted. A render of an ordinary size is tried in any case.
    """
    if room is None:
        return ANY_SIZE

    def fits(size: SizeClass) -> bool:
        need = _needs(model, (size.side_px, size.side_px), _largest_images(size.conditions_side_px**2), size)
        return need.held + need.working + need.conditions <= room

    return Sizes.that_fit(fits)


def _largest_images(num_px: int) -> Sequence[int]:
    """Returns the tokens of the fewest condition images that have this number of pixels together."""
    whole, rest = divmod(num_px, MAX_AREA_PX)
    return [px // _TOKEN_PX for px in (*[MAX_AREA_PX] * whole, rest) if px]


def _needs(model: DitModel, size: tuple[int, int], images: Sequence[int], shared: Hashable) -> RenderBytes:
    """Returns the memory for a picture with this width and height. `images` has the tokens of each condition image, and
    `shared` is the condition set.
    """
    config, item_bytes = model.transformer.config, model.dtype.itemsize
    width = config.num_attention_heads * config.attention_head_dim
    num_tokens = _num_tokens(large_grid(*size))
    num_latents = config.in_channels * size[0] * size[1] // model.vae_scale_factor**2
    key_bytes = 2 * sum(images) * width * item_bytes  # keys and values of the condition images in one layer
    step = step_bytes(num_tokens, width, item_bytes) + key_bytes
    conditions = step_bytes(max(images, default=0), width, item_bytes)
    bytes_of = tiled_decode_bytes if model.tiles(*size) else decode_bytes
    decode = bytes_of(*size, model.vae.config.block_out_channels[1], item_bytes)
    return RenderBytes(
        held=num_tokens * width * item_bytes + _LATENTS * num_latents * 4,
        working=max(step, conditions, decode),
        conditions=config.num_layers * key_bytes,
        condition_set=shared if images else None,
    )


def _num_tokens(grid: GridSize) -> int:
    """Returns the number of the transformer's tokens for a token grid. It is four for each token of the grid, because a
    token of the transformer has half of the width and height of a token of the grid.
    """
    return 4 * grid.num_tokens
