"""What a simulated render looks like: tokens out of a hash, a mosaic out of tokens. Pure, so a test can foretell it."""

import hashlib
import struct

from PIL import Image

from shared.geometry import CODEBOOK_SIZE, GridSize
from shared.jobs.spec import RenderSettings
from shared.jobs.token_grid import Prior, TokenGrid


def simulated_grid(settings: RenderSettings, seed: int) -> TokenGrid:
    """A token grid that depends on prompt, seed and size alone."""
    return _grid(f"{seed}\0{settings.width_px}x{settings.height_px}\0{settings.prompt}", settings.grid)


def simulated_condition(key: str, size: GridSize) -> TokenGrid:
    """The tokens of a condition image; its key is a hash of its bytes."""
    return _grid(key, size)


def simulated_picture(prior: Prior, settings: RenderSettings) -> Image.Image:
    """RGB, of the size that was asked for: every token one flat square."""
    grid = prior.grid
    tiny = Image.frombytes("RGB", (grid.size.cols, grid.size.rows), b"".join(map(_colour, grid.tokens)))
    return tiny.resize((settings.width_px, settings.height_px), Image.Resampling.NEAREST)


def _grid(text: str, size: GridSize) -> TokenGrid:
    data = hashlib.shake_128(text.encode()).digest(2 * size.num_tokens)
    return TokenGrid(size, tuple(code % CODEBOOK_SIZE for code in struct.unpack(f"<{size.num_tokens}H", data)))


def _colour(token: int) -> bytes:
    """14 bits as 5 of red, 5 of green, 4 of blue: different tokens, different colours."""
    return bytes((token >> 9 << 3, (token >> 4 & 31) << 3, (token & 15) << 4))
