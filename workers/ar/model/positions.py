"""Rotary positions of prompt and grids (time, row, column). Plain arithmetic of `GlmImageModel.get_rope_index`."""

from collections.abc import Sequence

from shared.geometry import GridSize

Position = tuple[int, int, int]


def prompt_positions(
    token_ids: Sequence[int], image_start_id: int, image_end_id: int, condition_grids: Sequence[GridSize]
) -> tuple[list[Position], int]:
    """Positions of a prompt's tokens, and the first position after it.

    Text counts on; the tokens of condition image k lie on its grid and advance the count by the grid's longer side.
    """
    starts = [index + 1 for index, token in enumerate(token_ids) if token == image_start_id]
    ends = [index for index, token in enumerate(token_ids) if token == image_end_id]
    positions: list[Position] = []
    position, done = 0, 0
    for start, end, grid in zip(starts, ends, condition_grids, strict=False):
        positions += _text(position, start - done)
        position += start - done
        positions += _on_grid(position, grid)
        position += max(grid.rows, grid.cols)
        done = end
    rest = len(token_ids) - done
    return positions + _text(position, rest), position + rest


def grid_positions(first: int, grids: Sequence[GridSize]) -> list[Position]:
    """Positions of the tokens that are sampled: grid after grid, in the order in which they are generated."""
    positions: list[Position] = []
    for grid in grids:
        positions += _on_grid(first, grid)
        first += max(grid.rows, grid.cols)
    return positions


def _text(first: int, length: int) -> list[Position]:
    return [(position,) * 3 for position in range(first, first + length)]


def _on_grid(first: int, grid: GridSize) -> list[Position]:
    return [(first, first + row, first + col) for row in range(grid.rows) for col in range(grid.cols)]
