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
    lines = [_HEADER, tuple("---" for _ in _HEADER), *(_cells(row) for row in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def write(rows: Sequence[Row], page: Path = PAGE) -> None:
    """Replaces the table in the page."""
    before, _, rest = page.read_text().partition(_BEGIN)
    after = rest.partition(_END)[2]
    page.write_text(f"{before}{_BEGIN}\n\n{markdown(rows)}\n\n{_END}{after}")


def failures(rows: Iterable[Row]) -> list[str]:
    """Returns a line for each call that failed, with its error."""
    return [f"{row.client}: {call.name}: {call.error}" for row in rows for call in row.calls if call.is_failure]


def _cells(row: Row) -> tuple[str, ...]:
    names = "; ".join(call.name for call in row.calls)
    return tuple(_escaped(cell) for cell in (row.client, row.version, names, _result(row.calls), row.setting))


def _result(calls: Sequence[Call]) -> str:
    failed = [call.name for call in calls if call.is_failure]
    impossible = [f"{call.name}: {call.cannot}" for call in calls if call.error and call.cannot]
    return ". ".join([f"fails: {', '.join(failed)}" if failed else "works", *impossible])


def _escaped(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")
