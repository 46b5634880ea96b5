"""Tracks whether this worker receives hints (Celery messages that wake workers). Counts the hints in progress, and how
often the worker had to recover.

It makes no network calls.
"""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from shared.hints.broker import last_poll
from shared.hints.queues import Queue
from shared.metrics.catalogue import CONSUMER_RESTARTS, WORK_FOUND_UNASKED
from shared.process.background import num_faults
from shared.schedule.worker_health import WorkerHealth


class HintHealth:
    """Tracks how one worker receives hints (Celery messages that wake workers).

    A worker that does not ask the broker for hints counts as silent. But a worker that is handling `slots` hints can't
    handle more, so it need not ask and does not count as silent.
    """

    def __init__(self, slots: int, queue: Queue) -> None:
        self._slots = slots
        self._found = WORK_FOUND_UNASKED.labels(queue.value)
        self._restarts = CONSUMER_RESTARTS.labels(queue.value)
        self._lock = threading.Lock()
        self._num_under_way = 0
        self._num_found = self._num_restarts = 0
        # Times of the monotonic clock.
        self._full_at_s = self._heard_at_s = self._restarted_at_s = time.monotonic()

    @contextmanager
    def hint(self) -> Iterator[None]:
        """Counts a hint (a Celery message that wakes workers) as in progress while the body of the `with` statement
        runs.
        """
        with self._lock:
            self._num_under_way += 1
            self._heard_at_s = time.monotonic()
        try:
            yield
        finally:
            with self._lock:
                if self._num_under_way >= self._slots:
                    self._full_at_s = time.monotonic()
                self._num_under_way -= 1

    @property
    def since_hint_s(self) -> float:
        """The seconds since this worker received its last hint (a Celery message that wakes workers)."""
        return time.monotonic() - self._heard_at_s

    @property
    def silent_s(self) -> float:
        """The seconds for which this worker has not asked the broker for hints (messages that wake workers), although
        the worker could have handled a hint.
        """
        with self._lock:
            if self._num_under_way >= self._slots:
                return 0.0
            return min(last_poll.ago_s, time.monotonic() - self._full_at_s)

    @property
    def silent_since_restart_s(self) -> float:
        """The seconds for which this worker has been silent, that is, has not asked the broker for hints. Counts at
        most the seconds since the Celery consumer was last restarted.
        """
        return min(self.silent_s, time.monotonic() - self._restarted_at_s)

    def note_found(self) -> None:
        self._found.inc()
        with self._lock:
            self._num_found += 1

    def note_restart(self) -> None:
        self._restarts.inc()
        with self._lock:
            self._num_restarts += 1
            self._restarted_at_s = time.monotonic()

    def signs(self) -> WorkerHealth:
        """Returns the health values that this worker sends with its heartbeat."""
        return WorkerHealth(self.silent_s, self._num_found, self._num_restarts, num_faults())
