"""The chart in the docs and the table in the code draw the same arrows."""

import re
from pathlib import Path

from shared.states import ARROWS

CHART = Path(__file__).parents[2] / "docs" / "state_machine.md"
ARROW = re.compile(r"^\s+(\w+) --> (\w+) : (.+)$", re.MULTILINE)


def test_the_chart_shows_every_arrow_of_the_table_and_no_other() -> None:
    drawn = set(ARROW.findall(CHART.read_text(encoding="utf-8")))
    table = {(str(start), str(end), why) for start, ends in ARROWS.items() for end, why in ends.items()}
    assert drawn == table
