"""Threads that run as long as their process: errors are survived and counted, an end is not survived."""

import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from shared.process import background
from shared.process.background import EXIT_THREAD_LOST, Background, num_faults

WAIT_S = 30.0

ENDS = """
import sys, threading
from pathlib import Path
from shared.process.background import Background, end_role_with_its_threads
ready = Path(sys.argv[1])
ready.touch()
end_role_with_its_threads(ready)
Background("doomed", lambda: sys.exit(0), lambda: False).start()
threading.Event().wait(30)
"""


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(background, "_PAUSE_S", 0.0)


def run_through(work: Callable[[int], None], rounds: int) -> int:
    """Runs `work` in the background for so many rounds; returns how many faults were counted."""
    before, done, over = num_faults(), list[int](), threading.Event()

    def count() -> None:
        done.append(len(done))
        if len(done) == rounds:
            over.set()
        work(len(done))

    thread = Background("tried", count, over.is_set)
    thread.start()
    thread.join(WAIT_S)
    assert not thread.is_alive
    assert len(done) == rounds
    return num_faults() - before


@pytest.mark.attack
@pytest.mark.parametrize("error", [ZeroDivisionError(), OSError("no space"), MemoryError(), RecursionError()])
def test_an_unforeseen_error_is_counted_and_the_work_begun_anew(error: Exception) -> None:
    def fail(_: int) -> None:
        raise error

    assert run_through(fail, rounds=3) == 3


@pytest.mark.attack
def test_work_that_returns_before_its_end_is_begun_anew_and_counted() -> None:
    assert run_through(lambda _: None, rounds=3) == 2


@pytest.mark.attack
def test_a_thread_that_ends_takes_its_role_with_it_and_makes_it_unready(tmp_path: Path) -> None:
    ready = tmp_path / "ready"
    ended = subprocess.run([sys.executable, "-c", ENDS, str(ready)], timeout=WAIT_S, check=False, capture_output=True)
    assert ended.returncode == EXIT_THREAD_LOST
    assert not ready.exists()
    assert b"thread.ended" in ended.stdout + ended.stderr


def test_one_that_was_never_started_can_be_joined() -> None:
    Background("idle", lambda: None, lambda: True).join()
