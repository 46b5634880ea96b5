"""The state of one role: its process, its restarts and its end. The caller passes the time; nothing here sleeps."""

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from signal import SIGKILL, SIGTERM, Signals
from typing import Protocol

from cli.stack.processes.causes import is_misconfigured, known_cause, status_words
from cli.stack.processes.child import Command
from cli.stack.processes.readiness import Readiness

_FIRST_PAUSE_S = 0.2  # so that a killed API is back within two seconds, most of which it takes to start
_LONGEST_PAUSE_S = 30.0
_LONGEST_KNOWN_PAUSE_S = 5.0  # it was ready once: what keeps it from starting now is an outage, and that ends
_LONGEST_READY_PAUSE_S = 1.0  # it can start: what ended it was its work or somebody's kill, and its renders wait
_HINDERED_PAUSE_S = 0.5  # it was no fault of the role's
_STEADY_AFTER_S = 60.0  # a process that lived this long starts again as if it had never failed


@dataclass(frozen=True, slots=True)
class Role:
    """A process to keep running. `grace_s` is the time between `stop_signal` and SIGKILL.

    A role of ours (`is_ours`) tells by its exit status that it can never start. A server counts as such unless its last
    log lines show a known cause, such as a full disk. `metrics_port` is on loopback.
    """

    name: str
    command: Command
    readiness: Readiness
    stop_signal: Signals = SIGTERM
    grace_s: float = 10.0
    is_ours: bool = True
    metrics_port: int | None = None


class Process(Protocol):
    """The interface of a child process; `cli.stack.processes.child.Child` implements it."""

    def exit_status(self) -> int | None: ...
    def signal(self, number: Signals) -> None: ...
    def last_lines(self) -> list[str]: ...
    def tend(self) -> str: ...
    def forget(self) -> None: ...


Spawn = Callable[[Role], Process]


@dataclass(frozen=True, slots=True)
class Ready:
    """Event: a role's process accepts work."""

    role: str


@dataclass(frozen=True, slots=True)
class Died:
    """Event: a role's process ended without being asked, for the `num_in_a_row`th time soon after its start.

    `status` is negative for the signal that ended it. `is_hopeless`: it was never ready, and another start won't help.
    """

    role: str
    status: int
    was_ready: bool
    retry_in_s: float
    last_lines: list[str]
    num_in_a_row: int
    is_hopeless: bool = False

    @property
    def reason(self) -> str:
        """Returns how the process ended, and why if known."""
        why = known_cause(self.last_lines) if self.status > 0 else None
        return f"{status_words(self.status)}: {why}" if why else status_words(self.status)

    @property
    def is_explained(self) -> bool:
        """Returns whether `reason` says more than the exit status."""
        return self.reason != f"exit status {self.status}"


@dataclass(frozen=True, slots=True)
class Hindered:
    """Event: the machine prevents a start or a file, once for each new reason; '' when the fault is over."""

    role: str
    reason: str


Event = Ready | Died | Hindered


def pause_s(num_failures: int, *, was_ready: bool, was_ever_ready: bool = False) -> float:
    """Returns the seconds before the next start: 0.2, doubling up to 30.

    The maximum is 5 if an earlier process was ready, and 1 if this one was. `num_failures` counts failures in a
    row, and for a process that was never ready only those since the last ready one.
    """
    longest_s = _LONGEST_KNOWN_PAUSE_S if was_ever_ready else _LONGEST_PAUSE_S
    return min(_LONGEST_READY_PAUSE_S if was_ready else longest_s, _FIRST_PAUSE_S * 2 ** min(num_failures - 1, 10))


class Slot:
    """Keeps one role's process running until it is asked to end."""

    def __init__(self, role: Role, spawn: Spawn) -> None:
        self.role = role
        self.is_ready = self.was_ever_ready = False
        self._spawn = spawn
        self._process: Process | None = None
        self._num_failures = 0
        self._num_failed_starts = 0
        self._hindrance = ""
        self._started_at = 0.0
        self._start_at = 0.0
        self._kill_at: float | None = None

    def run_once(self, now: float, *, may_start: bool) -> list[Event]:
        """Starts or observes the process, or cleans up after it; returns the events. Never raises."""
        try:
            if self._process is not None:
                return self._observe(self._process, now)
            return self._start(now) if may_start and now >= self._start_at else []
        except Exception as error:  # noqa: BLE001 - with the supervisor every role would end
            return self._note_hindrance(f"can't be looked after: {error!r}")

    def end_once(self, now: float, *, at_once: bool) -> bool:
        """Takes one step towards the end: asks, waits, kills. Returns True when no process is left."""
        if self._process is None:
            return True
        if self._process.exit_status() is not None:
            self._clear(self._process)
            return True
        if at_once or (self._kill_at is not None and now >= self._kill_at):
            self._process.signal(SIGKILL)
        elif self._kill_at is None:
            self._kill_at = now + self.role.grace_s
            self._process.signal(self.role.stop_signal)
        return False

    def _observe(self, process: Process, now: float) -> list[Event]:
        # Asked first: what a process announced before it ended tells whose leases it leaves behind.
        is_answering, unasked = (False, "") if self.is_ready else self._ask()
        hindered = self._note_hindrance(process.tend() or unasked)
        if is_answering:
            self.is_ready = self.was_ever_ready = True
            return [*hindered, Ready(self.role.name)]
        status = process.exit_status()
        return hindered if status is None else [*hindered, self._bury(process, status, now)]

    def _start(self, now: float) -> list[Event]:
        try:
            self.role.readiness.reset()
            self._process = self._spawn(self.role)
        except Exception as error:  # noqa: BLE001 - no memory, no descriptor, no space: all of it passes
            self._start_at = now + _HINDERED_PAUSE_S
            return self._note_hindrance(f"can't be started: {error}")
        self._started_at = now
        return self._note_hindrance("")

    def _ask(self) -> tuple[bool, str]:
        """Returns whether the process is ready, and an error of the check itself, which says nothing about the
        process.
        """
        try:
            return self.role.readiness.is_ready(), ""
        except Exception as error:  # noqa: BLE001 - whatever a client library makes of a lack
            return False, f"can't be asked whether it is ready: {error}"

    def _note_hindrance(self, reason: str) -> list[Event]:
        is_new, self._hindrance = reason != self._hindrance, reason
        return [Hindered(self.role.name, reason)] if is_new else []

    def _bury(self, process: Process, status: int, now: float) -> Died:
        was_steady = now - self._started_at >= _STEADY_AFTER_S
        self._num_failures = 1 if was_steady else self._num_failures + 1
        self._num_failed_starts = 0 if self.is_ready or was_steady else self._num_failed_starts + 1
        # One that was ready over and over can start: that its last start failed must not cost half a minute.
        num_failures = self._num_failures if self.is_ready else 1 + self._num_failed_starts
        retry_in_s = pause_s(num_failures, was_ready=self.is_ready, was_ever_ready=self.was_ever_ready)
        lines = process.last_lines()
        died = Died(
            self.role.name,
            status,
            self.is_ready,
            retry_in_s,
            lines,
            self._num_failures,
            self._is_hopeless(status, lines),
        )
        self._clear(process)
        self._start_at = now + retry_in_s
        return died

    def _is_hopeless(self, status: int, last_lines: Sequence[str]) -> bool:
        if self.was_ever_ready or status < 0:
            return False
        return is_misconfigured(status) if self.role.is_ours else known_cause(last_lines) is None

    def _clear(self, process: Process) -> None:
        process.forget()
        with suppress(OSError):  # once more before the next start
            self.role.readiness.reset()
        self._process, self.is_ready = None, False
