"""Tables on stdout, whole even where nobody says how wide it is."""

import sys
from datetime import UTC, datetime

from rich.console import Console
from rich.table import Table

_PIPE_WIDTH = 200  # a pipe has no width; who reads it wants whole ids and paths


def print_table(table: Table) -> None:
    """Prints the table as wide as the terminal, or wide enough for a pipe. Cells are text: `[/]` is a prompt's own."""
    Console(width=None if sys.stdout.isatty() else _PIPE_WIDTH, markup=False, emoji=False).print(table)


def seconds(value: float | None) -> str:
    """Seconds for a table; a stage that has not finished has none."""
    return "" if value is None else f"{value:.1f}"


def moment(unix_s: int | None) -> str:
    """A time as OpenAI's answers have it, for a person; what has not come has none."""
    return "" if unix_s is None else datetime.fromtimestamp(unix_s, UTC).isoformat().replace("+00:00", "Z")
