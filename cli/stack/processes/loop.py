"""Runs a supervisor in a loop until a signal arrives, then ends its roles. Sleeps between the supervisor's steps.

Once there is work, only a signal stops the service. Failed roles and errors of listeners do not stop it.
"""

import signal
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Protocol

from cli.stack.processes.supervised_role import Died, Event
from cli.stack.processes.supervisor import Supervisor
from shared.errors import Misconfigured

_TICK_S = 0.1
_START_LIMIT_S = 3600.0  # the real weights have 35 GB and may have to be downloaded first

Listener = Callable[[Event], None]


class Watcher(Protocol):
    """Receives the supervisor's events in order, and shows them on a terminal.

    Its errors are ignored, because the terminal may be closed.
    """

    def on_waiting(self, roles: list[str]) -> None: ...
    def on_event(self, event: Event) -> None: ...
    def on_ready(self) -> None: ...
    def on_stopping(self) -> None: ...


class _Signals:
    """Counts the signals that ask the service to end.

    After the first signal, all roles end in order. The second signal kills them.
    """

    num_received = 0

    def receive(self, *_: object) -> None:
        self.num_received += 1


def run(supervisor: Supervisor, watcher: Watcher, has_work: Callable[[], bool], *listeners: Listener) -> None:
    """Runs the supervisor until SIGTERM, Ctrl-C or SIGHUP, then ends all roles. `listeners` receive every event.

    Raises `Misconfigured` when a role can never start, unless there is unfinished work. `has_work` returns whether
    there is unfinished work. It is called only after the API or a worker was ready, because only they accept work.
    """
    with _signals() as signals:
        try:
            listeners = (watcher.on_event, *listeners)
            _start(supervisor, watcher, has_work, listeners, signals)
            while not signals.num_received:
                _tick(supervisor, listeners)
        finally:
            _stop(supervisor, watcher, signals)


def _start(
    supervisor: Supervisor,
    watcher: Watcher,
    has_work: Callable[[], bool],
    listeners: Sequence[Listener],
    signals: _Signals,
) -> None:
    deadline = time.monotonic() + _START_LIMIT_S
    while not supervisor.is_ready and not signals.num_received:
        _notify(lambda: watcher.on_waiting(supervisor.waiting_for))
        for event in _tick(supervisor, listeners):
            if isinstance(event, Died) and event.is_hopeless and not _is_needed(supervisor, has_work):
                raise Misconfigured(f"{event.role} could not start ({event.reason})")
        if time.monotonic() > deadline:
            if not _is_needed(supervisor, has_work):
                minutes, roles = _START_LIMIT_S / 60, ", ".join(supervisor.waiting_for)
                raise Misconfigured(f"not ready after {minutes:.0f} minutes: {roles}")
            deadline += _START_LIMIT_S
    if not signals.num_received:
        _notify(watcher.on_ready)


def _is_needed(supervisor: Supervisor, has_work: Callable[[], bool]) -> bool:
    return supervisor.was_open and has_work()


def _stop(supervisor: Supervisor, watcher: Watcher, signals: _Signals) -> None:
    _notify(watcher.on_stopping)
    num_before = signals.num_received
    while not supervisor.end_once(time.monotonic(), at_once=signals.num_received > num_before):
        time.sleep(_TICK_S)


def _tick(supervisor: Supervisor, listeners: Sequence[Listener]) -> list[Event]:
    events = supervisor.run_once(time.monotonic())
    for event in events:
        for listener in listeners:
            _notify(lambda listener=listener, event=event: listener(event))  # type: ignore[misc]
    time.sleep(_TICK_S)
    return events


def _notify(listener: Callable[[], None]) -> None:
    """Calls a listener for the supervisor's events and ignores its errors, so that they don't stop the service.

    For example, Rich raises SystemExit for a closed pipe, and a full disk raises `OSError`.
    """
    with suppress(Exception, SystemExit):
        listener()


@contextmanager
def _signals() -> Iterator[_Signals]:
    """Counts the signals that ask the service to end, until the `with` block ends. They don't end this process.

    SIGHUP (a closed terminal) is one of these signals, except under `nohup`, which ignores SIGHUP.
    """
    signals = _Signals()
    before = {
        number: signal.signal(number, signals.receive)
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
        if number != signal.SIGHUP or signal.getsignal(number) is not signal.SIG_IGN
    }
    try:
        yield signals
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
