"""Supervises one role: starts, checks, restarts and ends its process.

The caller passes the current time, so nothing here sleeps.
"""

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from signal import SIGKILL, SIGTERM, Signals
from typing import Protocol

from cli.stack.processes.causes import is_misconfigured, known_cause, status_words
from cli.stack.processes.child import Command
from cli.stack.processes.readiness import Readiness

# Pauses between the end of a process and its next start.
_FIRST_PAUSE_S = 0.2  # a killed API is then back within two seconds, and needs most of them to start
_LONGEST_PAUSE_S = 30.0
_LONGEST_KNOWN_PAUSE_S = 5.0  # for a role that was ready once: an outage prevents its start now, and outages end
_LONGEST_READY_PAUSE_S = 1.0  # for a process that was ready: its work or a kill ended it, and its renders wait
_HINDERED_PAUSE_S = 0.5  # after a failed start that was not the fault of the role
_STEADY_AFTER_S = 60.0  # a process that lived this long resets the count of failures


@dataclass(frozen=True, slots=True)
class Role:
    """Describes a process that the supervisor keeps running. `grace_s` is the time between `stop_signal` and SIGKILL.

    `is_ours` is True for a Gridpress process and False for an embedded server. `metrics_port` is on loopback.

    A Gridpress process that can never start reports this by its exit status. An embedded server that ends before it is
    ready is assumed to be unable to start, unless its last log lines show a known cause that may pass, such as a full
    disk.
    """

    name: str
    command: Command
    readiness: Readiness
    stop_signal: Signals = SIGTERM
    grace_s: float = 10.0
    is_ours: bool = True
    metrics_port: int | None = None


class Process(Protocol):
    """The interface of a child process. `cli.stack.processes.child.Child` implements it."""

    def exit_status(self) -> int | None: ...
    def signal(self, number: Signals) -> None: ...
    def last_lines(self) -> list[str]: ...
    def tend(self) -> str: ...
    def clean_up(self) -> None: ...


Spawn = Callable[[Role], Process]


@dataclass(frozen=True, slots=True)
class Ready:
    """Event: the process of a role accepts work now."""

    role: str


@dataclass(frozen=True, slots=True)
class Died:
    """Event: the process of a role ended, although the supervisor did not end it.

    `num_in_a_row` counts how often this happened in a row. A process that runs for 60 s resets the count. `status` is
    the exit status, negative for the signal that ended the process. `is_hopeless` means that the role was never ready
    and that no restart will help.
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
        """Returns a text on how the process ended, with the cause if it is known."""
        why = known_cause(self.last_lines) if self.status > 0 else None
        return f"{status_words(self.status)}: {why}" if why else status_words(self.status)

    @property
    def is_explained(self) -> bool:
        """Returns whether `reason` names a known cause. Otherwise `reason` has only the exit status."""
        return self.reason != f"exit status {self.status}"


@dataclass(frozen=True, slots=True)
class Hindered:
    """Event: the supervisor can't start or check a role, or can't write one of its files, for example on a full disk.

    Sent once for each new `reason`. An empty `reason` means that the problem is over.
    """

    role: str
    reason: str


Event = Ready | Died | Hindered


def pause_s(num_failures: int, *, was_ready: bool, was_ever_ready: bool = False) -> float:
    """Returns the seconds to wait before the next start of a role: 0.2, doubled after each failure, up to a maximum.

    The maximum is 1 if the last process of the role was ready, 5 if an earlier process was, and 30 if none was.
    `num_failures` counts the failures in a row. If the last process was never ready, it counts only the failures since
    a process was ready.
    """
    longest_s = _LONGEST_KNOWN_PAUSE_S if was_ever_ready else _LONGEST_PAUSE_S
    return min(_LONGEST_READY_PAUSE_S if was_ready else longest_s, _FIRST_PAUSE_S * 2 ** min(num_failures - 1, 10))


class SupervisedRole:
    """Keeps one process of a role running until it is asked to end the process."""

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
        """Starts the process of the role, checks it, or cleans up after its end. Returns the events. Never raises.

        `may_start` permits a start. `now` is the current time in seconds.
        """
        try:
            if self._process is not None:
                return self._observe(self._process, now)
            return self._start(now) if may_start and now >= self._start_at else []
        except Exception as error:  # noqa: BLE001 - an error here would end the supervisor and all roles
            return self._note_hindrance(f"can't be supervised: {error!r}")

    def end_once(self, now: float, *, at_once: bool) -> bool:
        """Takes one step to end the process: stop signal, wait or SIGKILL. Returns True when no process is left.

        Sends SIGKILL when the grace period is over, or at once if `at_once` is True.
        """
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
        # Readiness is checked before the exit status. A process that was ready and ended in between has then announced
        # its worker id, so its leases can be taken back.
        is_ready_now, check_error = (False, "") if self.is_ready else self._check_readiness()
        hindered = self._note_hindrance(process.tend() or check_error)
        if is_ready_now:
            self.is_ready = self.was_ever_ready = True
            return [*hindered, Ready(self.role.name)]
        status = process.exit_status()
        return hindered if status is None else [*hindered, self._record_end(process, status, now)]

    def _start(self, now: float) -> list[Event]:
        try:
            self.role.readiness.reset()
            self._process = self._spawn(self.role)
        except Exception as error:  # noqa: BLE001 - lack of memory, descriptors or space is temporary
            self._start_at = now + _HINDERED_PAUSE_S
            return self._note_hindrance(f"can't be started: {error}")
        self._started_at = now
        return self._note_hindrance("")

    def _check_readiness(self) -> tuple[bool, str]:
        """Returns whether the process of the role is ready, and an error text if the check itself failed, otherwise ''.

        A check that failed says nothing about the process.
        """
        try:
            return self.role.readiness.is_ready(), ""
        except Exception as error:  # noqa: BLE001 - client libraries raise many types
            return False, f"its readiness can't be checked: {error}"

    def _note_hindrance(self, reason: str) -> list[Event]:
        is_new, self._hindrance = reason != self._hindrance, reason
        return [Hindered(self.role.name, reason)] if is_new else []

    def _record_end(self, process: Process, status: int, now: float) -> Died:
        was_steady = now - self._started_at >= _STEADY_AFTER_S
        self._num_failures = 1 if was_steady else self._num_failures + 1
        self._num_failed_starts = 0 if self.is_ready or was_steady else self._num_failed_starts + 1
        # A role that was often ready can start, so one failed start must not cause a pause of half a minute.
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
        process.clean_up()
        with suppress(OSError):  # the reset is repeated before the next start
            self.role.readiness.reset()
        self._process, self.is_ready = None, False
