"""Tells the store whose process has ended, so that its renders need not wait until their leases are over."""

import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from queue import SimpleQueue
from typing import Self

from cli.stack.slot import Died, Event, Ready
from shared.errors import StoreUnavailable
from shared.ids import WorkerId

_PAUSE_S = 0.2


class Obituaries:
    """Hears what the supervisor sees, and tells on a thread of its own: a store that hangs must not delay a restart.

    Only a shortcut. What cannot be told within `patience_s`, a lease length, is known to the store by then.
    """

    def __init__(self, run_dir: Path, mark_dead: Callable[[WorkerId], int], patience_s: float) -> None:
        self._run_dir = run_dir
        self._mark_dead = mark_dead
        self._patience_s = patience_s
        self._worker_ids: dict[str, WorkerId] = {}
        self._died: SimpleQueue[tuple[WorkerId, float] | None] = SimpleQueue()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="obituaries", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._died.put(None)
        self._thread.join()

    def on_event(self, event: Event) -> None:
        match event:
            case Ready(role):
                self._worker_ids[role] = self._announced(role)
            case Died(role):
                if worker_id := self._worker_ids.pop(role, None):
                    self._died.put((worker_id, time.monotonic()))

    def _announced(self, role: str) -> WorkerId:
        """What the process wrote into its ready file; '' for one that holds no leases."""
        try:
            return WorkerId((self._run_dir / f"{role}.ready").read_text())
        except OSError:  # a server has none, and one that has ended has none any more
            return WorkerId("")

    def _run(self) -> None:
        while death := self._died.get():
            self._tell(*death)

    def _tell(self, worker_id: WorkerId, died_at_s: float) -> None:
        while time.monotonic() - died_at_s < self._patience_s and not self._stop.is_set():
            with suppress(StoreUnavailable):
                self._mark_dead(worker_id)
                return
            self._stop.wait(_PAUSE_S)
