"""What `gridpress up` prints while workers load their model."""

from io import StringIO
from pathlib import Path

import pytest
from rich.console import Console

from cli.stack.processes.readiness import ReadyFile
from cli.up.narrator import Narrator
from shared.jobs.states import Stage
from shared.process.ready_file import start_file
from shared.schedule.starting_worker import StartingWorker, StartPhase


def loading(percent: int) -> StartingWorker:
    return StartingWorker(Stage.DIT, StartPhase.LOADING, percent * 10**8, 10**10, 10**9)


@pytest.fixture
def said() -> StringIO:
    return StringIO()


@pytest.fixture
def narrator(tmp_path: Path, said: StringIO) -> Narrator:
    return Narrator(Console(file=said, width=200), tmp_path, "http://127.0.0.1:1", None)


def report(run_dir: Path, text: str) -> None:
    start_file(run_dir / "dit-0.ready").write_text(text)


def test_a_log_file_gets_a_line_for_each_tenth_of_the_weights(
    tmp_path: Path, narrator: Narrator, said: StringIO
) -> None:
    for percent in (0, 5, 12, 12, 19, 34, 100):
        report(tmp_path, loading(percent).to_json())
        narrator.on_waiting(["ar-0", "dit-0"])
    report(tmp_path, StartingWorker(Stage.DIT, StartPhase.WARMING_UP).to_json())
    narrator.on_waiting(["dit-0"])
    lines = [line.partition("  ")[2] for line in said.getvalue().splitlines()]
    assert [line.partition("%")[0] for line in lines[:-1]] == [
        f"dit-0 is loading weights: {percent} " for percent in (0, 12, 34, 100)
    ]
    assert lines[2].endswith("34 %, 3.4 of 10.0 GB, 1.00 GB/s, 7 s left")
    assert lines[-1] == "dit-0 is warming up"


@pytest.mark.parametrize("text", ["", "{", '{"stage": "dit"}'])
def test_a_half_written_report_is_passed_over(tmp_path: Path, narrator: Narrator, said: StringIO, text: str) -> None:
    report(tmp_path, text)
    narrator.on_waiting(["dit-0"])
    assert said.getvalue() == ""


def test_the_report_of_an_ended_process_is_removed_before_the_next_start(tmp_path: Path) -> None:
    report(tmp_path, loading(5).to_json())
    ReadyFile(tmp_path / "dit-0.ready").reset()
    assert not start_file(tmp_path / "dit-0.ready").exists()
