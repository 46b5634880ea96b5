"""Estimates the bytes of device memory that the DiT's computations need. Plain arithmetic, no tensors."""

# The size of a block's tensors that exist at once, for each token, in multiples of the transformer's width. They are
# the residual and its normalised copy, queries, keys, values and the attention's result, and the feed-forward's input
# and output, which are four times as wide.
_BLOCK_WIDTHS = 14
# Tensors of the VAE's last upsampling that exist at once at full size: input, normalised copy, output.
_VAE_TENSORS = 3
TILE_PX = 1024  # the side of a tile of the VAE. Pictures of up to 1024x1024 are never cut


def step_bytes(num_tokens: int, width: int, item_bytes: int) -> int:
    """Returns the bytes that one forward pass of the transformer needs in addition to the weights.

    `num_tokens` counts tokens of 16x16 pixels, and `width` is the transformer's width.
    """
    return num_tokens * width * _BLOCK_WIDTHS * item_bytes


def decode_bytes(width_px: int, height_px: int, channels: int, item_bytes: int) -> int:
    """Returns the bytes that the VAE needs to decode a picture. `channels` is the number of channels in its last
    upsampling.
    """
    return width_px * height_px * channels * _VAE_TENSORS * item_bytes


def tiled_decode_bytes(width_px: int, height_px: int, channels: int, item_bytes: int) -> int:
    """Returns the bytes that the VAE needs to decode a picture in tiles: one tile, and twice the picture's pixels."""
    tile = decode_bytes(min(width_px, TILE_PX), min(height_px, TILE_PX), channels, item_bytes)
    return tile + 2 * 3 * width_px * height_px * item_bytes
