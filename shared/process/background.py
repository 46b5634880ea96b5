"""Runs background threads that live as long as their process. After an unexpected error in a thread, the error is
logged and counted, and the thread continues.

If a thread ends nevertheless, the process exits, so that its supervisor replaces the process.
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

EXIT_THREAD_LOST = 70  # EX_SOFTWARE of sysexits.h; the supervisor should start the process again
_PAUSE_S = 1.0
_LOOK_S = 0.05  # interval at which a pausing thread checks whether it should end


class _Process:
    """State that all threads of this process share: the number of unexpected errors, and the function that ends the
    process after a thread has ended.
    """

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
    """Returns the number of unexpected errors in the background threads of this process. The threads continued after
    these errors.
    """
    return _process.num_faults


def note_fault(thread: str) -> None:
    """Logs the exception that is being handled, and counts it as an unexpected error of the named thread. Threads that
    catch the exceptions of their loops themselves call this.
    """
    _process.note_fault(thread)
    log.error("thread.failed", thread=thread, num_faults=_process.num_faults, exc_info=True)


def end_role_with_its_threads(ready_file: Path | None) -> None:
    """Makes the process exit with status 70 once one of its background threads ends. Before the exit, the process
    removes its ready file.
    """

    def end() -> None:
        withdraw(ready_file)
        flush_traces()
        os._exit(EXIT_THREAD_LOST)

    _process.end_role = end


class Background:
    """A daemon thread that calls `work` again and again until `is_over()` returns true. Exceptions of `work` do not end
    the thread.
    """

    def __init__(self, name: str, work: Callable[[], object], is_over: Callable[[], bool]) -> None:
        self._name = name
        self._work = work
        self._is_over = is_over
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    def start(self) -> None:
        self._thread.start()

    def join(self, timeout_s: float | None = None) -> None:
        """Waits for the background thread to end. Returns at once if the thread was never started."""
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
        except Exception:  # noqa: BLE001 - no exception may end the thread
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
