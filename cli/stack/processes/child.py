"""One child process: its pid file, its log and its end. Decides nothing about restarts."""

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
    """A command line, and environment variables to add to ours."""

    argv: tuple[str, ...]
    env: Mapping[str, str] = field(default_factory=dict)


def tied(argv: Sequence[str]) -> list[str]:
    """Returns a command that runs the same program with the same pid, but is killed when the starting thread ends."""
    return [sys.executable, "-I", "-S", str(_LAUNCHER), str(os.getpid()), *argv]


class Child:
    """A child process in a session of its own, so that a terminal's Ctrl-C reaches only us.

    `DIR/run/<name>.pid` has its pid while it runs; `DIR/run/<name>.log` has its output.
    """

    def __init__(self, name: str, command: Command, run_dir: Path) -> None:
        """Starts the process. Must be called on the main thread: the child dies with the thread that started it.

        Raises `OSError` when the machine lacks memory, a descriptor or disk space.
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
        # From here on nothing may raise: nobody would know of the process.
        self._has_pid_file = False
        self._write_pid()

    @property
    def pid(self) -> int:
        return self._process.pid

    def exit_status(self) -> int | None:
        """Returns the exit status, negative for a signal; None while the process runs."""
        return self._process.poll()

    def signal(self, number: Signals) -> None:
        """Sends a signal. A process that has ended is ignored."""
        self._process.send_signal(number)

    def stop(self, number: Signals, grace_s: float) -> None:
        """Sends the signal, and SIGKILL after `grace_s`. Returns when the process has ended."""
        self.signal(number)
        try:
            self._process.wait(grace_s)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self.forget()

    def forget(self) -> None:
        """Removes the pid file once the process has ended."""
        with suppress(OSError):  # where nothing can be removed, the next process writes over it
            self._pid_file.unlink(missing_ok=True)
        self._log.close()

    def last_lines(self, count: int = 8) -> list[str]:
        """Returns the last lines of this process, without those of earlier ones in the same log."""
        return self._log.last_lines(count)

    def tend(self) -> str:
        """Limits the size of the log and writes a missing pid file. Returns what is wrong, or ''."""
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
