"""docs/metrics.md says what the catalogue says."""

from pathlib import Path

from shared.metrics.table import BEGIN, END, table

_PAGE = Path(__file__).parents[2] / "docs" / "metrics.md"


def test_the_documented_metrics_are_those_of_the_catalogue() -> None:
    documented = _PAGE.read_text(encoding="utf-8").partition(f"{BEGIN}\n")[2].partition(END)[0]
    assert documented == table(), "run python -m shared.metrics.table and put its output into docs/metrics.md"
