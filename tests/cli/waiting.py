"""Waits for a condition of another process, never for a time."""

import time
from collections.abc import Callable
from pathlib import Path

_LIMIT_S = 60.0


def eventually(condition: Callable[[], bool]) -> None:
    """Returns once the condition holds; fails the test when it never does."""
    deadline = time.monotonic() + _LIMIT_S
    while not condition():
        assert time.monotonic() < deadline, "it never happened"
        time.sleep(0.02)


def is_alive(pid: int) -> bool:
    """Whether the process runs. One that has ended and waits to be collected (a zombie) does not."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state != "Z"
