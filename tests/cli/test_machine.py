"""What the machine may lack: space, descriptors, memory, folders, a terminal. The supervisor survives all of it."""

import errno
import os
import resource
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from cli.stack.processes.child import Child, Command
from cli.stack.processes.logs import RoleLog
from cli.stack.processes.supervised_role import Died, Hindered, Process, Ready, Role
from cli.stack.processes.supervisor import Supervisor
from tests.cli.fakes import FakeReadiness, FakeStack
from tests.cli.stack.test_stack import Stack, Start, start
from tests.cli.waiting import eventually, is_alive
from tests.fixtures.disks import fill, small_disk

__all__ = ["small_disk", "start"]

pytestmark = pytest.mark.attack

LACKS = (errno.ENOSPC, errno.EROFS, errno.EDQUOT, errno.EMFILE, errno.ENFILE, errno.EAGAIN, errno.ENOMEM, errno.EIO)
WAIT = "import time; time.sleep(600)"


class Lacking(FakeStack):
    """Cannot start anything while it lacks something."""

    lack: Exception | None = None

    def spawn(self, role: Role) -> Process:
        if self.lack:
            raise self.lack
        return super().spawn(role)


class Unasked(FakeReadiness):
    """Cannot be asked while something is lacking."""

    lack: Exception | None = None

    def is_ready(self) -> bool:
        if self.lack:
            raise self.lack
        return super().is_ready()


def ready(stack: FakeStack) -> Supervisor:
    supervisor = Supervisor([[stack.role(name) for name in stack.readiness]], stack.spawn)
    supervisor.run_once(0)
    for readiness in stack.readiness.values():
        readiness.ready = True
    supervisor.run_once(0)
    return supervisor


@pytest.mark.parametrize("number", LACKS)
def test_what_cannot_be_started_is_told_once_and_starts_as_soon_as_it_can(number: int) -> None:
    stack = Lacking("ar-0", "dit-0")
    supervisor = ready(stack)
    stack.latest("ar-0").status = -signal.SIGKILL
    stack.lack = OSError(number, os.strerror(number))
    told = [event for tick in range(600) for event in supervisor.run_once(10 + tick / 10)]
    assert [type(event) for event in told] == [Died, Hindered]
    assert os.strerror(number) in told[1].reason  # type: ignore[union-attr]
    assert stack.latest("dit-0").status is None
    stack.lack = None
    told = [event for tick in range(6) for event in supervisor.run_once(70 + tick / 10)]
    assert told == [Hindered("ar-0", "")]
    assert stack.names.count("ar-0") == 2


@pytest.mark.parametrize("lack", [OSError(errno.EMFILE, "no files"), MemoryError(), RuntimeError("no thread")])
def test_a_role_that_cannot_be_asked_is_not_ready_and_its_end_is_still_seen(lack: Exception) -> None:
    stack = FakeStack("ar-0")
    unasked = stack.readiness["ar-0"] = Unasked()
    supervisor = Supervisor([[stack.role("ar-0")]], stack.spawn)
    supervisor.run_once(0)
    unasked.lack = lack
    (hindered,) = supervisor.run_once(1)
    assert isinstance(hindered, Hindered)
    stack.latest("ar-0").status = 1
    assert [type(event) for event in supervisor.run_once(2)] == [Died]
    unasked.lack, unasked.ready = None, True
    supervisor.run_once(40)
    unasked.ready = True
    assert supervisor.run_once(41)[-1] == Ready("ar-0")


def test_trouble_with_a_roles_files_is_told_once_and_so_is_its_end() -> None:
    stack = FakeStack("ar-0")
    supervisor = ready(stack)
    stack.latest("ar-0").trouble = "its log was removed"
    assert supervisor.run_once(1) == [Hindered("ar-0", "its log was removed")]
    assert supervisor.run_once(2) == []
    stack.latest("ar-0").trouble = ""
    assert supervisor.run_once(3) == [Hindered("ar-0", "")]


def test_a_role_that_was_ready_once_is_not_kept_waiting_long_after_an_outage() -> None:
    stack = FakeStack("ar-0")
    supervisor, pauses = ready(stack), []
    for now in range(0, 1000, 100):
        stack.latest("ar-0").status = 1
        pauses += [event.retry_in_s for event in supervisor.run_once(now) if isinstance(event, Died)]
        supervisor.run_once(now + 50)
        stack.latest("ar-0").status = 1
        pauses += [event.retry_in_s for event in supervisor.run_once(now + 50.1) if isinstance(event, Died)]
        supervisor.run_once(now + 99)
    assert max(pauses) <= 5


def test_a_log_without_room_for_its_copy_is_cut_all_the_same(small_disk: Path) -> None:
    log = RoleLog(small_disk / "ar-0.log", max_bytes=100_000)
    log.file.write(b"x" * 150_000 + b"\nlast words\n")
    filler = fill(small_disk)
    assert log.last_lines(1) == ["last words"]
    assert log.trim() == ""
    assert log.last_lines(1) == []
    assert sorted(path.name for path in small_disk.iterdir()) == ["ar-0.log", filler.name]
    log.file.write(b"it goes on\n")
    assert log.last_lines(1) == ["it goes on"]
    log.close()


def test_a_removed_log_is_told_of_still_read_and_still_kept_within_its_bound(tmp_path: Path) -> None:
    log = RoleLog(tmp_path / "ar-0.log", max_bytes=100)
    (tmp_path / "ar-0.log").unlink()
    log.file.write(b"x" * 200 + b"\n")
    assert "was removed" in log.trim()
    assert os.fstat(log.file.fileno()).st_size == 0
    log.file.write(b"last words\n")
    assert log.last_lines(3) == ["last words"]
    log.close()


def test_a_pid_file_that_found_no_room_is_written_once_there_is_some(small_disk: Path) -> None:
    (small_disk / "role-0.log").touch()
    filler = fill(small_disk)
    child = Child("role-0", Command((sys.executable, "-c", WAIT)), small_disk)
    assert child.exit_status() is None
    assert "No space left" in child.tend()
    filler.unlink()
    assert child.tend() == ""
    assert (small_disk / "role-0.pid").read_text() == f"{child.pid}\n"
    child.stop(signal.SIGKILL, 10)


@pytest.fixture
def stack(start: Start) -> Iterator[Stack]:
    found = start()
    found.wait_until_ready()
    yield found
    assert found.process.poll() is None, "the supervisor ended"


def kill(stack: Stack, role: str) -> int:
    """Returns the pid that was killed."""
    pid = stack.pid(role)
    os.kill(pid, signal.SIGKILL)
    return pid


def pid_file_names(stack: Stack, role: str, pid: int) -> bool:
    try:
        return stack.pid(role) == pid
    except (OSError, ValueError):
        return False


def is_back(stack: Stack, role: str, killed: int) -> bool:
    try:
        pid = stack.pid(role)
    except (OSError, ValueError):
        return False
    return pid != killed and is_alive(pid) and (stack.run_dir / f"{role}.ready").exists()


def test_without_descriptors_the_supervisor_waits_for_some(stack: Stack) -> None:
    pid = stack.process.pid
    before = resource.prlimit(pid, resource.RLIMIT_NOFILE)
    resource.prlimit(pid, resource.RLIMIT_NOFILE, (1, before[1]))
    killed = kill(stack, "ar-0")
    eventually(lambda: "ar-0 can't be started: " in stack.said.read_text())
    resource.prlimit(pid, resource.RLIMIT_NOFILE, before)
    eventually(lambda: is_back(stack, "ar-0", killed))
    eventually(lambda: "ar-0: the problem is over" in stack.said.read_text())


@pytest.mark.parametrize("what", ["run", "run/ar-0.log", "run/ar-0.pid", "run/ar-0.ready"])
def test_a_role_comes_back_after_somebody_removed_its_files(stack: Stack, what: str) -> None:
    killed = stack.pid("ar-0")
    path = stack.run_dir.parent / what
    shutil.rmtree(path) if path.is_dir() else path.unlink()
    os.kill(killed, signal.SIGKILL)
    eventually(lambda: is_back(stack, "ar-0", killed))


def test_roles_are_restarted_after_the_disk_was_full(small_disk: Path) -> None:
    stack = Stack(small_disk / "data", "import os, pathlib, time; pathlib.Path(os.environ['READY']).touch(); " + WAIT)
    try:
        stack.wait_until_ready()
        killed, filler = {role: stack.pid(role) for role in ("ar-0", "ar-1", "valkey-0")}, fill(small_disk)
        for pid in killed.values():
            os.kill(pid, signal.SIGKILL)
        eventually(lambda: not any(pid_file_names(stack, role, pid) for role, pid in killed.items()))
        assert stack.process.poll() is None
        filler.unlink()
        for role, pid in killed.items():
            eventually(lambda role=role, pid=pid: is_back(stack, role, pid) or role == "valkey-0")  # type: ignore[misc]
        stack.interrupt()
        assert stack.end() == 0
    finally:
        stack.process.kill()
        stack.process.communicate()


@pytest.fixture
def has_terminal() -> Iterator[None]:
    """Lets started processes hear of a closed terminal, also when the tests themselves run under nohup."""
    before = signal.signal(signal.SIGHUP, signal.SIG_DFL)
    yield
    signal.signal(signal.SIGHUP, before)


@pytest.fixture
def unheard(has_terminal: None, tmp_path: Path) -> Iterator[Callable[..., Stack]]:
    """Starts a stack whose stdout and stderr nobody reads any more once it is ready."""
    started: list[Stack] = []

    def start_one(*prefix: str) -> Stack:
        stack = Stack.__new__(Stack)
        data_dir = tmp_path / "data"
        stack.run_dir = data_dir / "run"
        command = [*prefix, sys.executable, "-m", "tests.cli.standin", str(data_dir)]
        stack.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        started.append(stack)
        stack.wait_until_ready()
        for stream in (stack.process.stdout, stack.process.stderr):
            assert stream
            stream.close()
        return stack

    yield start_one
    for stack in started:
        stack.process.kill()
        stack.process.wait()


def test_nobody_has_to_listen(unheard: Callable[..., Stack]) -> None:
    stack = unheard()
    for _ in range(2):  # the first line finds the pipe closed, the next one comes after that
        killed = kill(stack, "ar-0")
        eventually(lambda killed=killed: is_back(stack, "ar-0", killed))  # type: ignore[misc]
    assert stack.process.poll() is None


def test_a_terminal_that_is_closed_ends_the_service_in_order(unheard: Callable[..., Stack]) -> None:
    stack = unheard()
    pids = stack.pids()
    stack.process.send_signal(signal.SIGHUP)
    stack.process.wait(60)
    assert not any(map(is_alive, pids))
    assert not list(stack.run_dir.glob("*.pid")) + list(stack.run_dir.glob("*.ready"))


def test_with_nohup_a_closed_terminal_ends_nothing(unheard: Callable[..., Stack]) -> None:
    stack = unheard("nohup")
    stack.process.send_signal(signal.SIGHUP)
    killed = kill(stack, "ar-0")
    eventually(lambda: is_back(stack, "ar-0", killed))
    assert stack.process.poll() is None
