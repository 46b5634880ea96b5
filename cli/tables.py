"""Prints tables on stdout. If stdout is a pipe, a table is wide enough for whole ids and paths."""

import sys
from datetime import UTC, datetime

from rich.console import Console
from rich.table import Table

_PIPE_WIDTH = 200  # characters; a pipe has no width of its own, and its reader needs whole ids and paths


def print_table(table: Table) -> None:
    """Prints a table as wide as the terminal, or 200 characters wide if stdout is a pipe.

    Cells are printed literally: `[/]` in a prompt is not Rich markup.
    """
    Console(width=None if sys.stdout.isatty() else _PIPE_WIDTH, markup=False, emoji=False).print(table)


def seconds(value: float | None) -> str:
    """Formats a duration in seconds. Returns '' for None, which is the duration of a stage that has not finished."""
    return "" if value is None else f"{value:.1f}"


def moment(unix_s: int | None) -> str:
    """Formats a Unix time as ISO 8601. Returns '' for None, which is the time of an event that has not happened."""
    return "" if unix_s is None else datetime.fromtimestamp(unix_s, UTC).isoformat().replace("+00:00", "Z")
