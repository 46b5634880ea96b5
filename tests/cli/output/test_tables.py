"""Tables: what a narrow terminal, a wide one and a pipe show."""

from datetime import UTC, datetime, timedelta

import pytest

from cli.output.tables import lines_of, print_table, text_of

ID = "job_01k9e4m3c6x2s8q5v7w1t0z9ab"
COLUMNS = ("job", "status", "prompt")
ROWS = [[ID, "queued", "a fox that reads a newspaper by the sea"], [ID, "succeeded", ""]]


@pytest.mark.parametrize("width", [1, 20, len(ID), 60, 80, 200])
@pytest.mark.parametrize("prose", [True, False])
def test_ids_are_whole_at_any_width(width: int, prose: bool) -> None:
    assert "\n".join(lines_of(COLUMNS, ROWS, width, prose=prose)).count(ID) == 2


def test_columns_are_aligned_where_there_is_room() -> None:
    header, first, second = lines_of(COLUMNS, ROWS, 100)
    assert header.index("status") == first.index("queued") == second.index("succeeded")
    assert first.endswith("by the sea")


def test_prose_is_cut_to_the_width() -> None:
    lines = lines_of(COLUMNS, ROWS, 60, prose=True)
    assert len(lines[1]) == 60
    assert lines[1].endswith("…")


def test_what_does_not_fit_becomes_a_list_that_names_its_cells() -> None:
    assert lines_of(COLUMNS, ROWS, 40) == [
        "job", ID, "  status  queued", f"  prompt  {ROWS[0][2]}", ID, "  status  succeeded"
    ]  # fmt: skip


def test_wide_characters_count_twice() -> None:
    _, first, second = lines_of(("prompt", "n"), [["赤い狐", "1"], ["a fox", "2"]], 80)
    assert first == "赤い狐  1"
    assert second == "a fox   2"


def test_a_pipe_gets_tabs_no_header_and_times_in_utc(capsys: pytest.CaptureFixture[str]) -> None:
    moment = datetime(2026, 1, 5, 10, 30, tzinfo=UTC)
    print_table(("job", "created", "n", "prompt"), [(ID, moment, 2, None)], prose=True)
    assert capsys.readouterr().out == f"{ID}\t2026-01-05T10:30:00Z\t2\t\n"


def test_cells_can_neither_break_a_row_nor_send_commands_to_a_terminal() -> None:
    assert text_of("a\tb\nc \x1b[2Jd", utc=False) == "a b c [2Jd"


def test_a_terminal_shows_how_long_ago_something_was() -> None:
    assert text_of(datetime.now(UTC) - timedelta(minutes=5, seconds=5), utc=False) == "5 min ago"
