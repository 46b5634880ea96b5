"""The chart in the docs and the tables in the code draw the same arrows."""

import re
from pathlib import Path

from shared.jobs.states import ARROWS, REVIVALS

CHART = Path(__file__).parents[3] / "docs" / "state_machine.md"
ARROW = re.compile(r"^\s+(\w+) --> (\w+) : (.+)$", re.MULTILINE)


def test_the_chart_shows_every_arrow_of_the_tables_and_no_other() -> None:
    drawn = set(ARROW.findall(CHART.read_text(encoding="utf-8")))
    tables = (ARROWS, REVIVALS)
    table = {
        (str(start), str(end), why) for each in tables for start, ends in each.items() for end, why in ends.items()
    }
    assert drawn == table
