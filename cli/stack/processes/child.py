"""Runs one child process with a pid file and a log. Does not decide about restarts."""

import os
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from signal import Signals

from cli.stack.processes.logs import RoleLog

_LAUNCHER = Path(__file__).with_name("launch.py")


@dataclass(frozen=True, slots=True)
class Command:
    """The command line of a process to start, and environment variables to add to those of the parent process."""

    argv: tuple[str, ...]
    env: Mapping[str, str] = field(default_factory=dict)


def tied(argv: Sequence[str]) -> list[str]:
    """Wraps a command line so that its program is killed when the thread that started it ends.

    The wrapper replaces itself by the program. So the program has the pid of the process that was started.
    """
    return [sys.executable, "-I", "-S", str(_LAUNCHER), str(os.getpid()), *argv]


class Child:
    """A child process in a session of its own, so that Ctrl-C on the terminal reaches only the parent.

    While the process runs, `<name>.pid` in the folder `run` has its pid. `<name>.log` has its output.
    """

    def __init__(self, name: str, command: Command, run_dir: Path) -> None:
        """Starts the child process, which dies with the thread that starts it. Must be called on the main thread.

        Raises `OSError` when the machine lacks memory, a file descriptor or disk space.
        """
        assert threading.current_thread() is threading.main_thread()
        run_dir.mkdir(parents=True, exist_ok=True)
        self.name = name
        self._pid_file = run_dir / f"{name}.pid"
        self._log = RoleLog(run_dir / f"{name}.log")
        try:
            self._process = subprocess.Popen(  # noqa: S603 - our own argv, no shell
                tied(command.argv),
                env={**os.environ, **command.env},
                stdin=subprocess.DEVNULL,
                stdout=self._log.file,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        except BaseException:
            self._log.close()
            raise
        # From here on nothing may raise, or the process would run without a supervisor.
        self._has_pid_file = False
        self._write_pid()

    @property
    def pid(self) -> int:
        return self._process.pid

    def exit_status(self) -> int | None:
        """Returns the exit status of the process, which is negative for a signal, or None while the process runs."""
        return self._process.poll()

    def signal(self, number: Signals) -> None:
        """Sends a signal to the process. Does nothing if the process has ended."""
        self._process.send_signal(number)

    def stop(self, number: Signals, grace_s: float) -> None:
        """Sends a signal to the process, and SIGKILL if it still runs after `grace_s`. Returns when it has ended."""
        self.signal(number)
        try:
            self._process.wait(grace_s)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self.clean_up()

    def clean_up(self) -> None:
        """Removes the pid file and closes the log. Must be called after the process has ended."""
        with suppress(OSError):  # if the file can't be removed, the next process overwrites it
            self._pid_file.unlink(missing_ok=True)
        self._log.close()

    def last_lines(self, count: int = 8) -> list[str]:
        """Returns the last log lines of this process, without those of earlier processes in the same log."""
        return self._log.last_lines(count)

    def tend(self) -> str:
        """Limits the size of the log, and writes the pid file if an earlier attempt failed. Called while the process
        runs.

        Returns the description of a problem, or ''.
        """
        return self._write_pid() or self._log.trim()

    def _write_pid(self) -> str:
        if self._has_pid_file:
            return ""
        try:
            self._pid_file.write_text(f"{self.pid}\n")
        except OSError as error:
            return f"its pid file can't be written: {error.strerror}"
        self._has_pid_file = True
        return ""
