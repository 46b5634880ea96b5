"""Files' names: safe wherever a batch is written, and never two the same."""

from pathlib import PurePath

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cli.batch.results.names import Names, stems


def name(custom_id: str, n: int = 1) -> str:
    return Names().stem(custom_id, n)


@pytest.mark.parametrize("custom_id", ["fox", "fox-1", "a.b_c=d@2", "茶", "Ä1"])
def test_what_can_be_a_name_is_kept(custom_id: str) -> None:
    assert name(custom_id) == custom_id


@pytest.mark.parametrize(
    "custom_id", ["../x", "a/b", "a\\b", "/etc/passwd", ".hidden", "..", "a\0b", "a b", "a:b", "x" * 5000, "茶" * 200]
)
def test_what_cannot_is_replaced_and_told_apart_by_a_digest(custom_id: str) -> None:
    safe = name(custom_id)
    assert PurePath(safe).name == safe
    assert not safe.startswith(".")
    assert len(safe.encode()) < 150
    assert name(custom_id) == safe
    assert name(f"{custom_id}!") != safe


def test_ids_that_become_the_same_name_do_not_share_a_file() -> None:
    names = Names()
    assert len({names.stem(custom_id, 1) for custom_id in ("a/b", "a b", "a:b", "a_b")}) == 4


def test_letters_case_is_no_difference() -> None:
    names = Names()
    assert names.stem("Fox", 1) == "Fox"
    assert names.stem("fox", 1).startswith("fox-")


def test_a_pictures_index_is_never_another_lines_name() -> None:
    names = Names()
    pair = stems(names.stem("fox", 2), 2)
    assert pair == ["fox-0", "fox-1"]
    assert names.stem("fox-1", 1) not in pair


def test_the_contact_sheet_of_an_evaluation_overwrites_no_picture() -> None:
    assert name("text_worst") != "text_worst"


@given(st.lists(st.tuples(st.text(min_size=1, max_size=8), st.integers(1, 3)), unique_by=lambda line: line[0]))
def test_no_two_pictures_have_the_same_file(lines: list[tuple[str, int]]) -> None:
    names, again = Names(), Names()
    files = [file for custom_id, n in lines for file in stems(names.stem(custom_id, n), n)]
    assert len({file.casefold() for file in files}) == sum(n for _, n in lines)
    assert files == [file for custom_id, n in lines for file in stems(again.stem(custom_id, n), n)]
    assert all(file and "/" not in file and not file.startswith(".") for file in files)
