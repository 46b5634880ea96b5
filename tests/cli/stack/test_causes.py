"""What a person reads when a process ends."""

from pathlib import Path
from signal import SIGKILL

import pytest

from cli.stack.processes.causes import DEVICE_LOST, MISCONFIGURED, known_cause, status_words
from cli.stack.processes.logs import RoleLog
from shared.process.starting import EXIT_MISCONFIGURED
from workers.consumer.serving import EXIT_DEVICE_LOST


def test_a_worker_that_lost_its_device_says_so_in_words() -> None:
    assert (DEVICE_LOST, MISCONFIGURED) == (EXIT_DEVICE_LOST, EXIT_MISCONFIGURED)
    assert status_words(DEVICE_LOST) == "its device hung or broke down"
    assert (status_words(3), status_words(-SIGKILL)) == ("exit status 3", "killed by SIGKILL")


@pytest.mark.parametrize(
    "line",
    ["# Error writing to the AOF file: No space left on device", "# Short write while writing to the AOF file: (1)"],
)
def test_a_full_disk_is_told_plainly(line: str) -> None:
    cause = known_cause(["ready", line, "# Exiting..."])
    assert cause
    assert cause.startswith("the disk is full")


def test_last_words_that_say_nothing_known_are_no_cause() -> None:
    assert known_cause(["all is well"]) is None


def test_a_log_is_kept_within_its_bound_and_its_writer_goes_on(tmp_path: Path) -> None:
    log = RoleLog(tmp_path / "ar-0.log", max_bytes=100)
    for number in range(30):
        log.file.write(f"line {number}\n".encode())
        assert log.trim() == ""
    sizes = [path.stat().st_size for path in tmp_path.iterdir()]
    assert len(sizes) == 2
    assert max(sizes) <= 110
    assert log.last_lines(2) == ["line 28", "line 29"]
    log.close()
