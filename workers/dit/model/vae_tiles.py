"""Decides which pictures the VAE decodes in tiles, and decodes in tiles. A tile needs little memory, whatever the size
of the picture.

Neighbouring tiles overlap by a quarter and are blended, so a picture that is decoded in tiles differs slightly from one
that is decoded at once. So the decision depends on the picture's size and on the worker's kind of GPU, and never on the
memory that happens to be free. The manifest contains it.
"""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from diffusers import AutoencoderKL

from workers.dit.byte_counts import TILE_PX, decode_bytes

_LARGEST_PX = 2048 * 2048
# Memory that a decode can't use: CUDA's context, fragmentation, and the keys and values of one condition image.
_RESERVED_BYTES = 3_500_000_000


def tile_limit_px(choice: str, vae: AutoencoderKL, device: torch.device) -> int | None:
    """Returns the number of pixels above which pictures are decoded in tiles, or None if none are.

    With `always` it is the size of one tile. With `auto` it is the largest picture that the GPU can decode beside the
    weights that it holds now, if no other process uses it.
    """
    if choice == "never":
        return None
    if choice == "always":
        return TILE_PX**2
    room = torch.cuda.get_device_properties(device).total_memory - torch.cuda.memory_allocated(device) - _RESERVED_BYTES
    limit_px = room // decode_bytes(1, 1, vae.config.block_out_channels[1], vae.dtype.itemsize)
    return None if limit_px >= _LARGEST_PX else max(TILE_PX**2, limit_px)


@contextmanager
def tiled(vae: AutoencoderKL, *, is_wanted: bool) -> Iterator[None]:
    """Makes the VAE decode in tiles in the body of the `with` statement, if that is wanted."""
    if not is_wanted:
        yield
        return
    vae.tile_sample_min_size = TILE_PX
    vae.tile_latent_min_size = TILE_PX // 2 ** (len(vae.config.block_out_channels) - 1)
    vae.enable_tiling()
    try:
        yield
    finally:
        vae.disable_tiling()
