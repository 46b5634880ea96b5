"""Tells the store which workers' processes have ended, so that their renders need not wait for their leases to end."""

import os
import threading
from collections.abc import Callable
from pathlib import Path
from queue import SimpleQueue
from typing import Self

from cli.stack.processes.slot import Died, Event, Ready
from shared.errors import StoreUnavailable
from shared.ids import WorkerId
from shared.process.background import Background

_PAUSE_S = 0.2


class Obituaries:
    """Receives the supervisor's events and tells the store on a thread of its own, so that a hung store delays no
    restart.

    This only saves time: without it, the leases end by themselves.
    """

    def __init__(self, run_dir: Path, take_back: Callable[[WorkerId], object]) -> None:
        self._run_dir = run_dir
        self._take_back = take_back
        self._worker_ids: dict[str, WorkerId] = {}
        self._died: SimpleQueue[WorkerId | None] = SimpleQueue()
        self._stop = threading.Event()
        self._thread = Background("obituaries", self._run, self._stop.is_set)

    def __enter__(self) -> Self:
        """Reports workers of an earlier supervisor that was killed. Must run before the first start of a role."""
        for path in self._run_dir.glob("*.ready"):
            if not _is_alive(path.with_suffix(".pid")):
                self._note(self._announced(path.stem))
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
                self._note(self._worker_ids.pop(role, WorkerId("")))

    def _announced(self, role: str) -> WorkerId:
        """Returns the worker id in the role's ready file; '' for a role without leases."""
        try:
            return WorkerId((self._run_dir / f"{role}.ready").read_text())
        except (OSError, ValueError):  # a server has none, and one that has ended has none any more
            return WorkerId("")

    def _note(self, worker_id: WorkerId) -> None:
        if worker_id:
            self._died.put(worker_id)

    def _run(self) -> None:
        while worker_id := self._died.get():
            self._tell(worker_id)

    def _tell(self, worker_id: WorkerId) -> None:
        while not self._stop.is_set():
            try:
                self._take_back(worker_id)
            except (StoreUnavailable, OSError):  # OSError: no descriptor for a connection, which passes as well
                self._stop.wait(_PAUSE_S)
            except Exception:  # noqa: BLE001 - refused for good: its leases will end. The next one's may be taken back
                return
            else:
                return


def _is_alive(pid_file: Path) -> bool:
    """Returns whether the process lives. If its pid is reused or unreadable, True: then nothing is reported."""
    try:
        os.kill(int(pid_file.read_text()), 0)
    except ProcessLookupError:
        return False
    except (OSError, ValueError):
        return pid_file.exists()
    return True
