"""Records how far the starts of workers are, and reads it. A worker that starts has no slots and no announcement."""

from collections.abc import Sequence

from shared.ids import WorkerId
from shared.schedule.starting_worker import StartingWorker
from shared.store.core.connect import Client
from shared.store.core.scripts import Scripts

_RECENT_S = 15.0  # a worker reports every second


class StartStore:
    """Workers report the progress of their starts here. Every method raises `StoreUnavailable` when the store does not
    answer.
    """

    def __init__(self, client: Client) -> None:
        self._scripts = Scripts(client)

    def report(self, worker: WorkerId, progress: StartingWorker) -> None:
        """Records how far the start of a worker is. A worker that stops reporting is forgotten after 15 s."""
        self._scripts.run("report_start", worker, progress.to_json())

    def end(self, worker: WorkerId) -> None:
        """Forgets the start of a worker, because the worker is ready or has ended."""
        self._scripts.run("report_start", worker, "")

    def starting(self) -> Sequence[StartingWorker]:
        """Returns how far the starts of workers are, sorted by stage."""
        texts = self._scripts.run("starting_workers", int(_RECENT_S * 1000))
        found = [progress for text in texts if (progress := StartingWorker.of_json(text))]
        return sorted(found, key=lambda each: (each.stage, each.phase, each.done_bytes))
