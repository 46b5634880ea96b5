"""Reports to the store which workers died, so that their renders can be claimed before their leases expire."""

import os
import threading
from collections.abc import Callable
from pathlib import Path
from queue import SimpleQueue
from typing import Self

from cli.stack.processes.supervised_role import Died, Event, Ready
from shared.errors import StoreUnavailable
from shared.ids import WorkerId
from shared.process.background import Background

_PAUSE_S = 0.2


class DeadWorkerReporter:
    """Receives the supervisor's events and reports to the store which workers died.

    The store then takes back their renders. A separate thread sends the reports, so that an unresponsive store delays
    no restart. The reports only save time: without a report, the renders are taken back when their leases expire.
    """

    def __init__(self, run_dir: Path, take_back: Callable[[WorkerId], object]) -> None:
        self._run_dir = run_dir
        self._take_back = take_back
        self._worker_ids: dict[str, WorkerId] = {}
        self._died: SimpleQueue[WorkerId | None] = SimpleQueue()
        self._stop = threading.Event()
        self._thread = Background("dead-workers", self._run, self._stop.is_set)

    def __enter__(self) -> Self:
        """Starts the thread that sends the reports. Reports the dead workers of an earlier supervisor that was killed.

        Must run before any role starts, because a start removes the file with the worker id of the previous process.
        """
        for path in self._run_dir.glob("*.ready"):
            if not _is_alive(path.with_suffix(".pid")):
                self._queue(self._worker_id_of(path.stem))
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._died.put(None)
        self._thread.join()

    def on_event(self, event: Event) -> None:
        match event:
            case Ready(role):
                self._worker_ids[role] = self._worker_id_of(role)
            case Died(role):
                self._queue(self._worker_ids.pop(role, WorkerId("")))

    def _worker_id_of(self, role: str) -> WorkerId:
        """Returns the worker id that a process of the role wrote to its ready file, or '' for a role without leases."""
        try:
            return WorkerId((self._run_dir / f"{role}.ready").read_text())
        except (OSError, ValueError):  # a server has no ready file, and a process that ended has none any more
            return WorkerId("")

    def _queue(self, worker_id: WorkerId) -> None:
        if worker_id:
            self._died.put(worker_id)

    def _run(self) -> None:
        while worker_id := self._died.get():
            self._report(worker_id)

    def _report(self, worker_id: WorkerId) -> None:
        while not self._stop.is_set():
            try:
                self._take_back(worker_id)
            except (StoreUnavailable, OSError):  # OSError: no file descriptor for a connection, which is also temporary
                self._stop.wait(_PAUSE_S)
            except Exception:  # noqa: BLE001 - permanent: its leases expire; later reports may succeed
                return
            else:
                return


def _is_alive(pid_file: Path) -> bool:
    """Returns whether the process whose pid is in a pid file is alive. Returns False if there is no file.

    Also returns True, wrongly, for an unreadable file and for a pid that another process has now. A worker that counts
    as alive is not reported as dead.
    """
    try:
        os.kill(int(pid_file.read_text()), 0)
    except ProcessLookupError:
        return False
    except (OSError, ValueError):
        return pid_file.exists()
    return True
