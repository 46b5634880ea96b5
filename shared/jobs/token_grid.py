"""Defines the token grid, which AR passes to the DiT, and its file format. The grid is stored, so a retry of the DiT
stage needs no AR work.
"""

import struct
from collections.abc import Sequence
from dataclasses import dataclass

from shared.geometry import CODEBOOK_SIZE, GridSize

_MAGIC = b"GPG1"
_HEADER = struct.Struct("<4sH")  # magic, number of grids
_SIZE = struct.Struct("<HH")  # rows, columns


@dataclass(frozen=True, slots=True)
class TokenGrid:
    """A grid of `size.rows x size.cols` visual codes, row by row. Each code is a `uint16` from 0 to 16383, and stands
    for 32x32 pixels of the picture.
    """

    size: GridSize
    tokens: tuple[int, ...]

    def __post_init__(self) -> None:
        if len(self.tokens) != self.size.num_tokens:
            raise ValueError(f"{len(self.tokens)} tokens cannot fill {self.size.rows}x{self.size.cols}")
        if self.tokens and not 0 <= min(self.tokens) <= max(self.tokens) < CODEBOOK_SIZE:
            raise ValueError(f"tokens must lie in 0..{CODEBOOK_SIZE - 1}")


@dataclass(frozen=True, slots=True)
class Prior:
    """The output of AR that the DiT needs for one render: the token grid and, for an edit, the tokens of the condition
    images.

    `condition_grids[k]` has the tokens of condition image k, one for each 32x32 pixels
    (`shared.geometry.condition_grid`).
    """

    grid: TokenGrid
    condition_grids: tuple[TokenGrid, ...] = ()

    def to_bytes(self) -> bytes:
        """Returns the token grids as little-endian bytes: the magic `GPG1` and the number of grids. Then follow the
        rows, columns and `uint16` tokens of each grid.
        """
        grids = (self.grid, *self.condition_grids)
        return _HEADER.pack(_MAGIC, len(grids)) + b"".join(_pack(grid) for grid in grids)

    @classmethod
    def from_bytes(cls, data: bytes) -> "Prior":
        """Returns the token grids in bytes that `to_bytes` wrote. Raises `ValueError` for any other bytes."""
        try:
            magic, num_grids = _HEADER.unpack_from(data)
            if magic != _MAGIC or num_grids < 1:
                raise ValueError("not a token grid")
            grids, end = _unpack(data, num_grids)
        except struct.error as error:
            raise ValueError("truncated token grid") from error
        if end != len(data):
            raise ValueError(f"{len(data) - end} bytes after the last token grid")
        return cls(grids[0], tuple(grids[1:]))


def _pack(grid: TokenGrid) -> bytes:
    return _SIZE.pack(grid.size.rows, grid.size.cols) + struct.pack(f"<{len(grid.tokens)}H", *grid.tokens)


def _unpack(data: bytes, num_grids: int) -> tuple[Sequence[TokenGrid], int]:
    grids, offset = [], _HEADER.size
    for _ in range(num_grids):
        size = GridSize(*_SIZE.unpack_from(data, offset))
        offset += _SIZE.size
        grids.append(TokenGrid(size, struct.unpack_from(f"<{size.num_tokens}H", data, offset)))
        offset += 2 * size.num_tokens
    return grids, offset
