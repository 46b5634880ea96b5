"""Computes simulated pictures: a token grid from a hash, and a mosaic from the tokens. Tests can predict the result."""

import hashlib
import struct

from PIL import Image

from shared.geometry import CODEBOOK_SIZE, GridSize
from shared.jobs.spec import RenderSettings
from shared.jobs.token_grid import Prior, TokenGrid


def simulated_grid(settings: RenderSettings, seed: int) -> TokenGrid:
    """Returns a token grid that depends only on prompt, seed and size."""
    return _grid(f"{seed}\0{settings.width_px}x{settings.height_px}\0{settings.prompt}", settings.grid)


def simulated_condition(key: str, size: GridSize) -> TokenGrid:
    """Returns the token grid of a condition image. It depends on the image's object key, which is a hash of
    its bytes.
    """
    return _grid(key, size)


def simulated_picture(prior: Prior, settings: RenderSettings) -> Image.Image:
    """Returns a simulated RGB picture in the requested size. Each token of its grid becomes a square of one colour."""
    grid = prior.grid
    tiny = Image.frombytes("RGB", (grid.size.cols, grid.size.rows), b"".join(map(_colour, grid.tokens)))
    return tiny.resize((settings.width_px, settings.height_px), Image.Resampling.NEAREST)


def _grid(text: str, size: GridSize) -> TokenGrid:
    data = hashlib.shake_128(text.encode()).digest(2 * size.num_tokens)
    return TokenGrid(size, tuple(code % CODEBOOK_SIZE for code in struct.unpack(f"<{size.num_tokens}H", data)))


def _colour(token: int) -> bytes:
    """Returns the colour of a token: 5 bits of red, 5 of green and 4 of blue, so that different tokens differ in
    colour.
    """
    return bytes((token >> 9 << 3, (token >> 4 & 31) << 3, (token & 15) << 4))
