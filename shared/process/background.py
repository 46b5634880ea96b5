"""Threads that run as long as their process. An unexpected error is logged and counted, and the work starts again.

If a thread ends nevertheless, the process exits, so that its supervisor replaces it.
"""

import os
import threading
import time
from collections.abc import Callable
from pathlib import Path

import structlog

from shared.metrics.catalogue import BACKGROUND_FAULTS
from shared.process.ready_file import withdraw
from shared.tracing.spans import flush_traces

log = structlog.get_logger()

EXIT_THREAD_LOST = 70  # EX_SOFTWARE of sysexits.h; in a fresh process it may well succeed
_PAUSE_S = 1.0
_LOOK_S = 0.05  # how soon a thread in its pause sees that it is over


class _Process:
    """State shared by all threads of this process: the number of errors, and the function that ends the process."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.num_faults = 0
        self.end_role: Callable[[], None] = lambda: None

    def note_fault(self, thread: str) -> None:
        BACKGROUND_FAULTS.labels(thread).inc()
        with self._lock:
            self.num_faults += 1


_process = _Process()


def num_faults() -> int:
    """Returns how many unexpected errors the threads of this process have survived."""
    return _process.num_faults


def note_fault(thread: str) -> None:
    """Logs and counts the error that is being handled, for loops that handle errors themselves."""
    _process.note_fault(thread)
    log.error("thread.failed", thread=thread, num_faults=_process.num_faults, exc_info=True)


def end_role_with_its_threads(ready_file: Path | None) -> None:
    """Makes the process exit when one of its threads ends. Its own ready file, if it has one, is removed first."""

    def end() -> None:
        withdraw(ready_file)
        flush_traces()
        os._exit(EXIT_THREAD_LOST)

    _process.end_role = end


class Background:
    """A daemon thread that calls `work` again and again, also after an error, until `is_over()` is true."""

    def __init__(self, name: str, work: Callable[[], object], is_over: Callable[[], bool]) -> None:
        self._name = name
        self._work = work
        self._is_over = is_over
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    def start(self) -> None:
        self._thread.start()

    def join(self, timeout_s: float | None = None) -> None:
        """Waits for the thread to end. Returns at once if it was never started."""
        if self._thread.ident is not None:
            self._thread.join(timeout_s)

    @property
    def is_alive(self) -> bool:
        return self._thread.is_alive()

    def _run(self) -> None:
        try:
            while not self._is_over():
                self._run_once()
        except BaseException:
            log.critical("thread.ended", thread=self._name, exc_info=True)
            _process.end_role()

    def _run_once(self) -> None:
        try:
            self._work()
        except Exception:  # noqa: BLE001 - whatever it is, the thread goes on
            note_fault(self._name)
        else:
            if not self._is_over():
                _process.note_fault(self._name)
                log.error("thread.returned", thread=self._name, num_faults=_process.num_faults)
        self._pause()

    def _pause(self) -> None:
        until_s = time.monotonic() + _PAUSE_S
        while not self._is_over() and time.monotonic() < until_s:
            time.sleep(_LOOK_S)
