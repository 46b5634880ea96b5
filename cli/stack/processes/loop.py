"""Runs a supervisor until a signal, then ends its roles. The only part of the stack that sleeps.

Nothing else stops the stack: neither a listener that fails, nor a role that fails while there may be work for it.
"""

import signal
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Protocol

from cli.stack.processes.slot import Died, Event
from cli.stack.processes.supervisor import Supervisor
from shared.errors import Misconfigured

_TICK_S = 0.1
_START_LIMIT_S = 3600.0  # the real weights are 35 GB and may still have to be fetched

Listener = Callable[[Event], None]


class Watcher(Protocol):
    """Receives events in order. Its errors are ignored, since its terminal may be gone."""

    def on_waiting(self, roles: list[str]) -> None: ...
    def on_event(self, event: Event) -> None: ...
    def on_ready(self) -> None: ...
    def on_stopping(self) -> None: ...


class _Signals:
    """Counts signals to end: the first ends everything in order, the second kills."""

    num_received = 0

    def receive(self, *_: object) -> None:
        self.num_received += 1


def run(supervisor: Supervisor, watcher: Watcher, has_work: Callable[[], bool], *listeners: Listener) -> None:
    """Serves until SIGTERM, Ctrl-C or SIGHUP, then ends all roles. `listeners` receive every event.

    Raises `Misconfigured` when a role can never start, unless there is unfinished work: `has_work` tells, and is asked
    only after a role was ready.
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
        _tell(lambda: watcher.on_waiting(supervisor.waiting_for))
        for event in _tick(supervisor, listeners):
            if isinstance(event, Died) and event.is_hopeless and not _is_needed(supervisor, has_work):
                raise Misconfigured(f"{event.role} could not start ({event.reason})")
        if time.monotonic() > deadline:
            if not _is_needed(supervisor, has_work):
                minutes, roles = _START_LIMIT_S / 60, ", ".join(supervisor.waiting_for)
                raise Misconfigured(f"not ready after {minutes:.0f} minutes: {roles}")
            deadline += _START_LIMIT_S
    if not signals.num_received:
        _tell(watcher.on_ready)


def _is_needed(supervisor: Supervisor, has_work: Callable[[], bool]) -> bool:
    return supervisor.was_open and has_work()


def _stop(supervisor: Supervisor, watcher: Watcher, signals: _Signals) -> None:
    _tell(watcher.on_stopping)
    num_heard = signals.num_received
    while not supervisor.end_once(time.monotonic(), at_once=signals.num_received > num_heard):
        time.sleep(_TICK_S)


def _tick(supervisor: Supervisor, listeners: Sequence[Listener]) -> list[Event]:
    events = supervisor.run_once(time.monotonic())
    for event in events:
        for hear in listeners:
            _tell(lambda hear=hear, event=event: hear(event))  # type: ignore[misc]
    time.sleep(_TICK_S)
    return events


def _tell(listener: Callable[[], None]) -> None:
    """Calls a listener and ignores its errors:

    Rich raises SystemExit for a closed pipe, a full disk raises `OSError`.
    """
    with suppress(Exception, SystemExit):
        listener()


@contextmanager
def _signals() -> Iterator[_Signals]:
    """Counts signals to end, within the block, instead of dying by them.

    SIGHUP (a closed terminal) is one of them, except under `nohup`, which ignores it.
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
