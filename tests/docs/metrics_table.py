"""Writes the tables of `docs/metrics.md` from the catalogue in the code: `make docs`."""

from shared.metrics import catalogue as _catalogue  # noqa: F401 - declares the metrics
from shared.metrics.declare import DECLARED, Declared
from tests.docs.settings_readers import ROOT

FILE = ROOT / "docs" / "metrics.md"
BEGIN, END = "<!-- metrics: begin -->", "<!-- metrics: end -->"
_HEAD = "| metric | kind | labels | meaning |\n|---|---|---|---|\n"


def table() -> str:
    """Returns one table for each set of roles, in the order of the catalogue."""
    by_roles: dict[tuple[str, ...], list[Declared]] = {}
    for declared in DECLARED:
        by_roles.setdefault(declared.roles, []).append(declared)
    return "\n".join(f"### {_title(roles)}\n\n{_HEAD}{_rows(group)}" for roles, group in by_roles.items())


def _title(roles: tuple[str, ...]) -> str:
    if roles == ("up",):
        return "The page of `gridpress up`"
    everybody = max((declared.roles for declared in DECLARED), key=len)
    return "Every role" if roles == everybody else f"Shown by {', '.join(roles)}"


def _rows(group: list[Declared]) -> str:
    return "".join(
        f"| `{one.name}` | {one.kind} | {', '.join(f'`{label}`' for label in one.labels)} | {one.help} |\n"
        for one in group
    )


def page() -> str:
    """Returns the whole page: its own text, and the tables of today."""
    before, _, rest = FILE.read_text().partition(f"{BEGIN}\n")
    return f"{before}{BEGIN}\n{table()}{END}{rest.partition(END)[2]}"


if __name__ == "__main__":
    FILE.write_text(page())
