"""Tracks whether this worker receives hints: hints under way, and how often it had to recover. Uses no network."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from shared.hints.broker import last_ask
from shared.hints.queues import Queue
from shared.metrics.catalogue import CONSUMER_RESTARTS, WORK_FOUND_UNASKED
from shared.process.background import num_faults
from shared.schedule.worker_health import Signs


class Hearing:
    """The state of one worker, which handles `slots` hints at once. With all slots in use it need not ask for more."""

    def __init__(self, slots: int, queue: Queue) -> None:
        self._slots = slots
        self._found = WORK_FOUND_UNASKED.labels(queue.value)
        self._restarts = CONSUMER_RESTARTS.labels(queue.value)
        self._lock = threading.Lock()
        self._num_under_way = 0
        self._num_found = self._num_restarts = 0
        # Moments of the monotonic clock.
        self._full_at_s = self._heard_at_s = self._restarted_at_s = time.monotonic()

    @contextmanager
    def hint(self) -> Iterator[None]:
        """Counts a hint as under way within the block."""
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
    def unheard_s(self) -> float:
        """Returns the seconds since the last hint."""
        return time.monotonic() - self._heard_at_s

    @property
    def silent_s(self) -> float:
        """Returns the seconds for which this process has asked for no hint although it had a free slot."""
        with self._lock:
            if self._num_under_way >= self._slots:
                return 0.0
            return min(last_ask.ago_s, time.monotonic() - self._full_at_s)

    @property
    def owed_s(self) -> float:
        """Like `silent_s`, but counts from the last start of the consumer at most."""
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

    def signs(self) -> Signs:
        """Returns the signs of health for the worker's heartbeat."""
        return Signs(self.silent_s, self._num_found, self._num_restarts, num_faults())
