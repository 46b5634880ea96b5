"""Runs a supervisor until a signal comes, and then to its end. The only place of the stack that sleeps."""

import signal
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Protocol

from cli.stack.slot import Died, Event
from cli.stack.supervisor import Supervisor
from shared.errors import Misconfigured

_TICK_S = 0.1
_START_LIMIT_S = 3600.0  # the real weights are 35 GB and may still have to be fetched

Listener = Callable[[Event], None]


class Watcher(Protocol):
    """Hears what happens, in order."""

    def on_waiting(self, roles: list[str]) -> None: ...
    def on_event(self, event: Event) -> None: ...
    def on_ready(self) -> None: ...
    def on_stopping(self) -> None: ...


class _Signals:
    """How often SIGTERM or Ctrl-C came: the first asks everything to end, one more kills."""

    num_received = 0

    def receive(self, *_: object) -> None:
        self.num_received += 1


def run(supervisor: Supervisor, watcher: Watcher, *listeners: Listener) -> None:
    """Serves until SIGTERM or Ctrl-C; ends all that was started, whatever happens. Listeners hear of every event.

    Raises `Misconfigured` when a process ends by itself before everything was ready once: a restart would not help.
    """
    with _signals() as signals:
        try:
            listeners = (watcher.on_event, *listeners)
            _start(supervisor, watcher, listeners, signals)
            while not signals.num_received:
                _tick(supervisor, listeners)
        finally:
            _stop(supervisor, watcher, signals)


def _start(supervisor: Supervisor, watcher: Watcher, listeners: Sequence[Listener], signals: _Signals) -> None:
    deadline = time.monotonic() + _START_LIMIT_S
    while not supervisor.is_ready and not signals.num_received:
        watcher.on_waiting(supervisor.waiting_for)
        for event in _tick(supervisor, listeners):
            if isinstance(event, Died) and event.status >= 0:
                raise Misconfigured(f"{event.role} could not start ({event.reason})")
        if time.monotonic() > deadline:
            raise Misconfigured(
                f"not ready after {_START_LIMIT_S / 60:.0f} minutes: {', '.join(supervisor.waiting_for)}"
            )
    if not signals.num_received:
        watcher.on_ready()


def _stop(supervisor: Supervisor, watcher: Watcher, signals: _Signals) -> None:
    watcher.on_stopping()
    num_heard = signals.num_received
    while not supervisor.end_once(time.monotonic(), at_once=signals.num_received > num_heard):
        time.sleep(_TICK_S)


def _tick(supervisor: Supervisor, listeners: Sequence[Listener]) -> list[Event]:
    events = supervisor.run_once(time.monotonic())
    for event in events:
        for hear in listeners:
            hear(event)
    time.sleep(_TICK_S)
    return events


@contextmanager
def _signals() -> Iterator[_Signals]:
    """Counts the two signals instead of dying of them, as long as the block runs."""
    signals = _Signals()
    before = {number: signal.signal(number, signals.receive) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield signals
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
