"""Prints tables on stdout. Ids and paths are printed whole, however narrow the terminal is."""

import shutil
import sys
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime

import click
from rich.cells import cell_len, set_cell_size

from cli.output.times import in_utc, relative

Cell = str | int | datetime | None

_GAP = "  "
_LEAST_PROSE = 16  # characters of the last column that must be visible beside the others


def print_table(
    columns: Sequence[str], rows: Iterable[Sequence[Cell]], *, prose: bool = False, utc: bool = False
) -> None:
    """Prints a table on stdout. On a terminal it has a header, and times are relative unless `utc` is True.

    With `prose`, the last column may be cut to the width of the terminal. Any other table that is too wide becomes a
    list with one line for each cell. If stdout is no terminal, rows have tabs between the cells and no header, times
    are in UTC, and nothing is cut.
    """
    if not sys.stdout.isatty():
        for row in rows:
            click.echo("\t".join(text_of(cell, utc=True) for cell in row))
        return
    texts = [[text_of(cell, utc=utc) for cell in row] for row in rows]
    width = shutil.get_terminal_size().columns
    for index, line in enumerate(lines_of(columns, texts, width, prose=prose)):
        click.secho(line, dim=True if index == 0 else None)


def text_of(cell: Cell, *, utc: bool) -> str:
    """Returns a cell as text on one line. Control characters, such as those in a prompt, become spaces."""
    if cell is None:
        return ""
    if isinstance(cell, datetime):
        return in_utc(cell) if utc else relative(cell, datetime.now(UTC))
    text = str(cell)
    return text if text.isprintable() else " ".join("".join(c if c.isprintable() else " " for c in text).split())


def lines_of(columns: Sequence[str], rows: Sequence[Sequence[str]], width: int, *, prose: bool = False) -> list[str]:
    """Returns the lines of a table for a terminal that shows `width` characters in a line.

    No cell is cut except those of the last column, and only with `prose`.
    """
    widths = [max(map(cell_len, column)) for column in zip(columns, *rows, strict=True)]
    excess = sum(widths) + len(_GAP) * (len(widths) - 1) - width
    if excess > 0 and (not prose or widths[-1] - excess < _LEAST_PROSE):
        return _as_list(columns, rows)
    if excess > 0:
        widths[-1] -= excess
    return [_line(row, widths) for row in (columns, *rows)]


def _line(cells: Sequence[str], widths: Sequence[int]) -> str:
    return _GAP.join(_fitted(cell, width) for cell, width in zip(cells, widths, strict=True)).rstrip()


def _fitted(text: str, width: int) -> str:
    return set_cell_size(text, width) if cell_len(text) <= width else f"{set_cell_size(text, width - 1)}…"


def _as_list(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """Returns the rows below each other: the first cell of a row as its title, then one line for each other cell."""
    name_width = max(map(cell_len, columns))
    lines = [columns[0]]
    for title, *cells in rows:
        lines.append(title)
        pairs = zip(columns[1:], cells, strict=True)
        lines += [f"{_GAP}{set_cell_size(name, name_width)}{_GAP}{cell}" for name, cell in pairs if cell]
    return lines


def seconds(value: float | None) -> str:
    """Formats a duration in seconds. Returns '' for None, which is the duration of a stage that has not finished."""
    return "" if value is None else f"{value:.1f}"
