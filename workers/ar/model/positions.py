"""Computes the rotary positions (time, row, column) of the tokens of prompts and token grids. The result is that of
`GlmImageModel.get_rope_index`.
"""

from collections.abc import Sequence

from shared.geometry import GridSize

Position = tuple[int, int, int]


def prompt_positions(
    token_ids: Sequence[int], image_start_id: int, image_end_id: int, condition_grids: Sequence[GridSize]
) -> tuple[list[Position], int]:
    """Returns the rotary positions of a prompt's tokens, and the first position after the prompt.

    Each text token advances the position by 1. The tokens of a condition image lie on its grid, and together advance
    the position by the grid's longer side.
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
    """Returns the rotary positions of the tokens that are sampled, grid after grid, in the order in which they are
    generated.

    `first` is the position of the first of these tokens.
    """
    positions: list[Position] = []
    for grid in grids:
        positions += _on_grid(first, grid)
        first += max(grid.rows, grid.cols)
    return positions


def _text(first: int, length: int) -> list[Position]:
    return [(position,) * 3 for position in range(first, first + length)]


def _on_grid(first: int, grid: GridSize) -> list[Position]:
    return [(first, first + row, first + col) for row in range(grid.rows) for col in range(grid.cols)]
