"""Writes the rows as the table in `docs/clients.md`, and prints them."""

from collections.abc import Iterable, Sequence
from pathlib import Path

from tests.clients.environments import CHECKOUT
from tests.clients.rows import Call, Row

PAGE = CHECKOUT / "docs" / "clients.md"
_BEGIN, _END = "<!-- begin of the table: make test-clients -->", "<!-- end of the table -->"
_HEADER = ("client", "version", "calls", "result", "setting")


def markdown(rows: Sequence[Row]) -> str:
    """Returns the table in Markdown."""
    return _table([_line(_cells(row)) for row in rows])


def write(rows: Sequence[Row], *, is_whole: bool, page: Path = PAGE) -> None:
    """Replaces the table in the page. Unless the rows are the whole table, the rows of other clients stay."""
    before, _, rest = page.read_text().partition(_BEGIN)
    old, _, after = rest.partition(_END)
    kept = [] if is_whole else [line for line in old.splitlines() if line.startswith("|")][2:]
    lines = {line.split(" | ")[0]: line for line in (*kept, *(_line(_cells(row)) for row in rows))}
    page.write_text(f"{before}{_BEGIN}\n\n{_table(lines.values())}\n\n{_END}{after}")


def failures(rows: Iterable[Row]) -> list[str]:
    """Returns a line for each call that failed, with its error."""
    return [f"{row.client}: {call.name}: {call.error}" for row in rows for call in row.calls if call.is_failure]


def _table(lines: Iterable[str]) -> str:
    return "\n".join((_line(_HEADER), _line(["---"] * len(_HEADER)), *lines))


def _line(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _cells(row: Row) -> tuple[str, ...]:
    names = "; ".join(call.name for call in row.calls)
    return tuple(_escaped(cell) for cell in (row.client, row.version, names, _result(row.calls), row.setting))


def _result(calls: Sequence[Call]) -> str:
    failed = [call.name for call in calls if call.is_failure]
    impossible = [f"{call.name}: {call.cannot}" for call in calls if call.error and call.cannot]
    return ". ".join([f"fails: {', '.join(failed)}" if failed else "works", *impossible])


def _escaped(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")
