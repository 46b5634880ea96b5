"""Child processes: pid file, log, end."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from signal import SIGKILL, SIGTERM

import pytest

from cli.stack.processes.child import Child, Command
from tests.cli.waiting import eventually, is_alive

SAY_AND_WAIT = "import os, time; print(os.getpid(), os.environ.get('WORD'), flush=True); time.sleep(600)"
STUBBORN = f"import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); {SAY_AND_WAIT}"
PARENT = """
import sys, pathlib
from cli.stack.processes.child import Child, Command
child = Child("child", Command((sys.executable, "-c", sys.argv[2])), pathlib.Path(sys.argv[1]))
print(child.pid, flush=True)
input()
"""


@pytest.fixture
def children() -> Iterator[list[Child]]:
    started: list[Child] = []
    yield started
    for child in started:
        child.stop(SIGKILL, 10)


def start(script: str, run_dir: Path, children: list[Child], **env: str) -> Child:
    child = Child("role-0", Command((sys.executable, "-c", script), env), run_dir)
    children.append(child)
    return child


def test_the_pid_file_names_the_serving_process_itself(tmp_path: Path, children: list[Child]) -> None:
    child = start(SAY_AND_WAIT, tmp_path, children)
    eventually(lambda: bool(child.last_lines()))
    assert (tmp_path / "role-0.pid").read_text().split() == child.last_lines()[0].split()[:1] == [str(child.pid)]
    assert b"launch.py" not in Path(f"/proc/{child.pid}/cmdline").read_bytes()


def test_a_child_gets_our_environment_and_its_own(tmp_path: Path, children: list[Child]) -> None:
    child = start(SAY_AND_WAIT, tmp_path, children, WORD="hello")
    eventually(lambda: bool(child.last_lines()))
    assert child.last_lines()[0].endswith("hello")


def test_a_terminals_ctrl_c_does_not_reach_a_child(tmp_path: Path, children: list[Child]) -> None:
    child = start(SAY_AND_WAIT, tmp_path, children)
    assert os.getsid(child.pid) == child.pid != os.getsid(0)


def test_last_lines_are_of_this_process_and_the_log_keeps_all(tmp_path: Path, children: list[Child]) -> None:
    for word in ("first", "second"):
        child = start(f"print('{word}')", tmp_path, children)
        eventually(lambda child=child: child.exit_status() is not None)  # type: ignore[misc]
        assert child.last_lines() == [word]
    assert (tmp_path / "role-0.log").read_text().split() == ["first", "second"]


def test_a_stopped_child_is_gone_and_so_is_its_pid_file(tmp_path: Path, children: list[Child]) -> None:
    child = start(SAY_AND_WAIT, tmp_path, children)
    child.stop(SIGTERM, 60)
    assert child.exit_status() == -SIGTERM
    assert not (tmp_path / "role-0.pid").exists()


def test_a_child_that_ignores_the_signal_is_killed_after_its_grace(tmp_path: Path, children: list[Child]) -> None:
    child = start(STUBBORN, tmp_path, children)
    eventually(lambda: bool(child.last_lines()))
    child.stop(SIGTERM, 0.1)
    assert child.exit_status() == -SIGKILL


def test_a_program_that_is_not_there_says_so_in_the_log(tmp_path: Path, children: list[Child]) -> None:
    child = Child("role-0", Command(("/nowhere/server",)), tmp_path)
    children.append(child)
    eventually(lambda: child.exit_status() is not None)
    assert child.last_lines() == ["cannot run /nowhere/server: No such file or directory"]


def test_a_child_dies_with_a_parent_that_was_killed(tmp_path: Path) -> None:
    command = [sys.executable, "-c", PARENT, str(tmp_path), STUBBORN]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as parent:
        assert parent.stdout
        child_pid = int(parent.stdout.readline())
        eventually(lambda: (tmp_path / "child.log").read_bytes() != b"")
        assert is_alive(child_pid)
        parent.send_signal(signal.SIGKILL)
        parent.wait()
    eventually(lambda: not is_alive(child_pid))
