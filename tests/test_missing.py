"""A tool that tests lack is named after them, with the way to get it."""

from pathlib import Path

import pytest

from tests.missing import TOOLS, Tool, lines

TESTS = Path(__file__).parent


@pytest.mark.parametrize("lacking", [{"packages": ("no_such_package",)}, {"programs": ("no-such-program",)}])
def test_a_missing_tool_is_named_with_what_it_is_for_and_how_to_get_it(lacking: dict[str, tuple[str, ...]]) -> None:
    [line] = lines([Tool("X-ray", "bones", "buy one", **lacking), Tool("Python", "all", "", ("sys",), ("python3",))])
    assert line == "SKIPPED for want of X-ray: tests of bones. To run them: buy one"


@pytest.mark.parametrize("name", ["Triton", "Tesseract"])
def test_every_tool_whose_lack_skips_ordinary_tests_is_known(name: str) -> None:
    reason = f'reason="{name} is not installed'
    assert any(reason in file.read_text() for file in TESTS.rglob("test_*.py"))
    assert name in {tool.name for tool in TOOLS}


def test_make_test_says_it_last() -> None:
    recipe = (TESTS.parent / "Makefile").read_text().partition("\ntest: ")[2].partition("\n\n")[0]
    assert recipe.splitlines()[-1].endswith("$(BIN)/python -m tests.missing")
