"""The place of one role: its process, when the next may start, and how it ends. Told the time, never sleeps."""

from collections.abc import Callable
from dataclasses import dataclass
from signal import SIGKILL, SIGTERM, Signals
from typing import Protocol

from cli.stack.causes import known_cause, status_words
from cli.stack.processes import Command
from cli.stack.readiness import Readiness

_FIRST_PAUSE_S = 0.2  # so that a killed API is back within two seconds, most of which it takes to start
_LONGEST_PAUSE_S = 30.0
_LONGEST_READY_PAUSE_S = 1.0  # it can start: what ended it was its work or somebody's kill, and its renders wait
_STEADY_AFTER_S = 60.0  # a process that lived this long starts again as if it had never failed


@dataclass(frozen=True, slots=True)
class Role:
    """One process to keep alive. `grace_s` is the time between `stop_signal` and SIGKILL."""

    name: str
    command: Command
    readiness: Readiness
    stop_signal: Signals = SIGTERM
    grace_s: float = 10.0


class Process(Protocol):
    """What a slot needs of a child; `cli.stack.processes.Child` is the real one."""

    def exit_status(self) -> int | None: ...
    def signal(self, number: Signals) -> None: ...
    def last_lines(self) -> list[str]: ...
    def trim_log(self) -> None: ...
    def forget(self) -> None: ...


Spawn = Callable[[Role], Process]


@dataclass(frozen=True, slots=True)
class Ready:
    """A role's process takes work."""

    role: str


@dataclass(frozen=True, slots=True)
class Died:
    """A role's process ended without being asked, for the `num_in_a_row`th time soon after its start.

    `status` is negative for the signal that ended it.
    """

    role: str
    status: int
    was_ready: bool
    retry_in_s: float
    last_lines: list[str]
    num_in_a_row: int

    @property
    def reason(self) -> str:
        """How it ended, and why where we know that."""
        why = known_cause(self.last_lines) if self.status > 0 else None
        return f"{status_words(self.status)}: {why}" if why else status_words(self.status)

    @property
    def is_explained(self) -> bool:
        """Whether `reason` says more than the exit status."""
        return self.reason != f"exit status {self.status}"


Event = Ready | Died


def pause_s(num_failures: int, *, was_ready: bool) -> float:
    """Time before the next start: 0.2 s, doubling up to 30 s (1 s if it was ready).

    `num_failures`: in a row, of one that was ready; else only those since it was ready last.
    """
    longest_s = _LONGEST_READY_PAUSE_S if was_ready else _LONGEST_PAUSE_S
    return min(longest_s, _FIRST_PAUSE_S * 2 ** (num_failures - 1))


class Slot:
    """Keeps one role's process running until it is asked to end."""

    def __init__(self, role: Role, spawn: Spawn) -> None:
        self.role = role
        self.is_ready = False
        self._spawn = spawn
        self._process: Process | None = None
        self._num_failures = 0
        self._num_failed_starts = 0
        self._started_at = 0.0
        self._start_at = 0.0
        self._kill_at: float | None = None

    def run_once(self, now: float, *, may_start: bool) -> Event | None:
        """Starts, observes or buries the process; answers what happened to it, if anything did."""
        if self._process is None:
            if may_start and now >= self._start_at:
                self._start(now)
            return None
        self._process.trim_log()
        # Asked first: what a process announced before it ended tells whose leases it leaves behind.
        if not self.is_ready and self.role.readiness.is_ready():
            self.is_ready = True
            return Ready(self.role.name)
        status = self._process.exit_status()
        return None if status is None else self._bury(self._process, status, now)

    def end_once(self, now: float, *, at_once: bool) -> bool:
        """One step towards the end: asks, waits, kills. True when no process is left."""
        if self._process is None:
            return True
        if self._process.exit_status() is not None:
            self._clear(self._process)
            return True
        if at_once or (self._kill_at is not None and now >= self._kill_at):
            self._process.signal(SIGKILL)
        elif self._kill_at is None:
            self._process.signal(self.role.stop_signal)
            self._kill_at = now + self.role.grace_s
        return False

    def _start(self, now: float) -> None:
        self.role.readiness.reset()
        self._process = self._spawn(self.role)
        self._started_at = now

    def _bury(self, process: Process, status: int, now: float) -> Died:
        was_steady = now - self._started_at >= _STEADY_AFTER_S
        self._num_failures = 1 if was_steady else self._num_failures + 1
        self._num_failed_starts = 0 if self.is_ready or was_steady else self._num_failed_starts + 1
        # One that was ready over and over can start: that its last start failed must not cost half a minute.
        num_failures = self._num_failures if self.is_ready else 1 + self._num_failed_starts
        retry_in_s = pause_s(num_failures, was_ready=self.is_ready)
        died = Died(self.role.name, status, self.is_ready, retry_in_s, process.last_lines(), self._num_failures)
        self._clear(process)
        self._start_at = now + retry_in_s
        return died

    def _clear(self, process: Process) -> None:
        process.forget()
        self.role.readiness.reset()
        self._process, self.is_ready = None, False
