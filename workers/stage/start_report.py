"""Says how far the start of a worker is: in its log, in a file for `gridpress up`, and in the store for the API.

A report never delays a start, and never ends it.
"""

import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path

import structlog

from shared.errors import GridpressError
from shared.ids import WorkerId, new_worker_id
from shared.jobs.states import Stage
from shared.process.ready_file import start_file
from shared.schedule.starting_worker import StartingWorker, StartPhase
from shared.settings.settings import Settings
from shared.store.core.connect import connect_with_timeout
from shared.store.queues.starts import StartStore

log = structlog.get_logger()

_EVERY_S = 1.0
_LOG_EVERY = 5  # reports
_RATE_OVER_S = 10.0
_STORE_TIMEOUT_S = 1.0

Sink = Callable[[StartingWorker | None], None]
"""Shows a report. None: the phase has ended."""


class ByteRate:
    """Counts bytes, and measures how many arrived in each of the last ten seconds. Any thread may add some."""

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self._lock = threading.Lock()
        self.num_bytes = 0
        self._seen = deque([(now(), 0)])

    def add(self, num_bytes: int) -> None:
        with self._lock:
            self.num_bytes += num_bytes

    def per_s(self) -> float:
        """Returns the bytes per second since a call that is ten seconds old, or since the start."""
        now_s = self._now()
        with self._lock:
            self._seen.append((now_s, self.num_bytes))
            while len(self._seen) > 2 and now_s - self._seen[1][0] >= _RATE_OVER_S:
                self._seen.popleft()
            then_s, before = self._seen[0]
            return (self.num_bytes - before) / (now_s - then_s) if now_s > then_s else 0.0


class StartReport:
    """Reports the phases of a worker's start, every second while one runs."""

    def __init__(self, stage: Stage, settings: Settings, *, every_s: float = _EVERY_S) -> None:
        self._stage, self._every_s = stage, every_s
        self._sinks: list[Sink] = []
        if settings.ready_file:
            self._sinks.append(_in_file(start_file(settings.ready_file)))
        if settings.redis_url:
            self._sinks.append(_in_store(settings.redis_url, new_worker_id(stage)))

    @contextmanager
    def phase(self, phase: StartPhase, total_bytes: int = 0) -> Iterator[Callable[[int], None]]:
        """Reports a phase while the body of the `with` statement runs. Yields a function to call with the number of
        bytes that have arrived. `total_bytes` is 0 if the size of the phase is unknown.
        """
        rate, over, began_s = ByteRate(), threading.Event(), time.monotonic()
        progress = StartingWorker(self._stage, phase, total_bytes=total_bytes)
        thread = threading.Thread(
            target=self._report_until, args=(over, progress, rate), name="start-report", daemon=True
        )
        thread.start()
        try:
            yield rate.add
        finally:
            over.set()
            thread.join()
        wall_s = time.monotonic() - began_s
        log.info("start.phase_ended", phase=phase.value, bytes=rate.num_bytes, wall_s=round(wall_s, 1))

    def _report_until(self, over: threading.Event, progress: StartingWorker, rate: ByteRate) -> None:
        num = 0
        while not over.wait(self._every_s):
            num += 1
            now = replace(progress, done_bytes=rate.num_bytes, bytes_per_s=round(rate.per_s()))
            if num % _LOG_EVERY == 0:
                log.info("start.progress", phase=now.phase.value, progress=now.words)
            self._show(now)
        if num:
            self._show(None)

    def _show(self, progress: StartingWorker | None) -> None:
        for sink in self._sinks:
            with suppress(OSError, GridpressError):
                sink(progress)


def _in_file(path: Path) -> Sink:
    def show(progress: StartingWorker | None) -> None:
        if progress:
            path.write_text(progress.to_json())
        else:
            path.unlink(missing_ok=True)

    return show


def _in_store(redis_url: str, worker: WorkerId) -> Sink:
    starts = StartStore(connect_with_timeout(redis_url, _STORE_TIMEOUT_S))

    def show(progress: StartingWorker | None) -> None:
        starts.report(worker, progress) if progress else starts.end(worker)

    return show
