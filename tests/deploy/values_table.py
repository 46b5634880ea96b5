"""Writes the table of values in the chart's README from the comments of values.yaml: `make docs`."""

import json
import re
from collections.abc import Iterator

import yaml

from tests.deploy.chart import CHART

FILE = CHART / "README.md"
_MARK = "<!-- values, by `make docs` -->\n"
_TOLD = re.compile(r"^( *)# -- (.+)$")
_KEY = re.compile(r"^( *)([A-Za-z]+):")


def with_table(text: str) -> str:
    """Returns the page with all that follows the mark replaced."""
    head, mark, _ = text.partition(_MARK)
    assert mark, f"{FILE.name} lacks its mark"
    rows = "".join(f"| `{path}` | `{default}` | {told} |\n" for path, default, told in _rows())
    return f"{head}{mark}\n| value | default | meaning |\n|---|---|---|\n{rows}"


def _rows() -> Iterator[tuple[str, str, str]]:
    text = (CHART / "values.yaml").read_text()
    values = yaml.safe_load(text)
    path: list[str] = []
    told = ""
    for line in text.splitlines():
        if found := _TOLD.match(line):
            told = found[2]
        elif found := _KEY.match(line):
            path = [*path[: len(found[1]) // 2], found[2]]
            if told:
                yield ".".join(path), _default(values, path), told.replace("|", "\\|")
            told = ""


def _default(values: object, path: list[str]) -> str:
    for key in path:
        assert isinstance(values, dict), path
        values = values[key]
    return json.dumps(values)


if __name__ == "__main__":
    FILE.write_text(with_table(FILE.read_text()))
