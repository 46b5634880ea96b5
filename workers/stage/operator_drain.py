"""Follows the drain of one worker by an operator: the worker empties itself, stays drained, and may claim again later.

The mark in the store is the truth. The worker reads it with each heartbeat, so no message can be lost.
"""

import threading
import time
from collections.abc import Callable

import structlog

from shared.process.background import note_fault
from workers.engine.slots import Slots

log = structlog.get_logger()


class OperatorDrain:
    """Empties a worker while an operator drains it, and opens its slots again when the operator has ended the drain."""

    def __init__(self, slots: Slots, empty: Callable[[], None]) -> None:
        """Creates the drain, which is off. `empty` closes the slots, and returns when the worker holds nothing that
        still runs. It is called on a thread of its own.
        """
        self._slots = slots
        self._empty = empty
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._is_stopped = False

    @property
    def is_on(self) -> bool:
        """Returns whether an operator drains the worker."""
        return self._thread is not None

    def follow(self, *, is_wanted: bool) -> None:
        """Begins or ends the drain, as the operator wants. A drain that still empties the worker ends after that, when
        this is called again.
        """
        with self._lock:
            if self._is_stopped or is_wanted == self.is_on:
                return
            if is_wanted:
                log.info("worker.drained_by_operator")
                self._slots.close()
                self._thread = threading.Thread(target=self._run, name="operator-drain", daemon=True)
                self._thread.start()
            elif self._thread and not self._thread.is_alive():
                log.info("worker.claims_again")
                self._thread = None
                self._slots.open()

    def stop(self) -> None:
        """Makes `follow` do nothing from now on, because the process ends. The slots stay as they are."""
        with self._lock:
            self._is_stopped = True

    def join(self, grace_s: float) -> float:
        """Waits until a drain has emptied the worker. Returns what is left of `grace_s` seconds, at least 0."""
        self.stop()
        began_s = time.monotonic()
        if self._thread:
            self._thread.join()
        return max(0.0, grace_s - (time.monotonic() - began_s))

    def _run(self) -> None:
        try:
            self._empty()
        except Exception:  # noqa: BLE001 - the slots are closed, and the end of the process hands everything back
            note_fault("operator-drain")
