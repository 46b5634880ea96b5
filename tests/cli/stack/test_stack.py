"""A supervised stack as a process of its own: it restarts what dies, refuses company, and takes everything with it."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.cli.standin import BROKEN, READY_AND_WAIT, STUBBORN
from tests.cli.waiting import eventually, is_alive

ROLES = ("valkey-0", "ar-0", "ar-1")
_LIMIT_S = 60


class Stack:
    """The stand-in service, and what it has written."""

    def __init__(self, data_dir: Path, script: str) -> None:
        self.run_dir = data_dir / "run"
        self.said = data_dir.with_name("said")
        with self.said.open("w") as said:
            command = [sys.executable, "-m", "tests.cli.standin", str(data_dir), script]
            self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=said, text=True)

    def wait_until_ready(self) -> None:
        assert self.process.stdout
        assert "ready at" in self.process.stdout.readline()

    def pids(self) -> list[int]:
        return [self.pid(role) for role in ROLES]

    def pid(self, role: str) -> int:
        return int((self.run_dir / f"{role}.pid").read_text())

    def interrupt(self) -> None:
        self.process.send_signal(signal.SIGINT)

    def end(self) -> int:
        return self.process.wait(_LIMIT_S)


Start = Callable[..., Stack]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    started = []

    def start_one(script: str = READY_AND_WAIT) -> Stack:
        started.append(Stack(tmp_path / "data", script))
        return started[-1]

    yield start_one
    for stack in started:
        stack.process.kill()
        stack.process.communicate()


def test_a_killed_process_is_started_again(start: Start) -> None:
    stack = start()
    stack.wait_until_ready()
    for role in ROLES:
        killed = stack.pid(role)
        os.kill(killed, signal.SIGKILL)
        eventually(lambda role=role: f"{role} is back" in stack.said.read_text())
        assert f"{role} ended (killed by SIGKILL" in stack.said.read_text()
        assert stack.pid(role) != killed
        assert is_alive(stack.pid(role))


def test_everything_dies_with_a_killed_supervisor(start: Start) -> None:
    stack = start(STUBBORN)
    stack.wait_until_ready()
    pids = stack.pids()
    stack.process.send_signal(signal.SIGKILL)
    eventually(lambda: not any(map(is_alive, pids)))


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_one_signal_stops_everything_in_order(start: Start, number: signal.Signals) -> None:
    stack = start()
    stack.wait_until_ready()
    pids = stack.pids()
    stack.process.send_signal(number)
    assert stack.end() == 0
    assert not any(map(is_alive, pids))
    assert not list(stack.run_dir.glob("*.pid")) + list(stack.run_dir.glob("*.ready"))


def test_a_second_ctrl_c_does_not_wait_for_anybody(start: Start) -> None:
    stack = start(STUBBORN)
    stack.wait_until_ready()
    pids = stack.pids()
    stack.interrupt()
    eventually(lambda: "stopping" in stack.said.read_text())
    stack.interrupt()
    assert stack.end() == 0  # the workers' grace is five minutes
    assert not any(map(is_alive, pids))


def test_a_second_stack_is_kept_off_the_same_folder(start: Start) -> None:
    first = start()
    first.wait_until_ready()
    second = start()
    assert second.end() != 0
    assert f"is served already, by process {first.process.pid}" in second.said.read_text()
    assert all(map(is_alive, first.pids()))


def test_a_worker_that_cannot_start_ends_the_start_with_its_last_words(start: Start) -> None:
    stack = start(BROKEN)
    assert stack.end() != 0
    said = stack.said.read_text()
    assert "no checkpoint at /nowhere" in said
    assert "could not start (exit status 78)" in said
    assert not list(stack.run_dir.glob("*.pid"))


def test_a_restart_finds_the_same_folder_free(start: Start) -> None:
    for _ in range(2):
        stack = start()
        stack.wait_until_ready()
        stack.interrupt()
        assert stack.end() == 0
