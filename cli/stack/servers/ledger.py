"""Detects data that the embedded store has lost, for example because an old copy of its files was restored.

Once a second, a counter in the store is increased and then copied to a file. If the counter in the store is ever lower
than in the file, the store has lost data.
"""

import json
import threading
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Self

from shared.errors import GridpressError
from shared.process.background import Background
from shared.store.core.ledger import Entry, LedgerStore

_TICK_S = 1.0
_UNREADABLE = "it is unknown whether the job store lost data: the record of its progress can't be read"


class LedgerFile:
    """Reads and writes `valkey/ledger.json` in the data folder, a copy of two counters in the embedded store.

    The copy is never ahead of an intact store, and at most a second behind it. `losses.jsonl` lists all losses, for
    people.
    """

    def __init__(self, folder: Path) -> None:
        self._path = folder / "ledger.json"
        self._losses = folder / "losses.jsonl"

    def read(self) -> Entry | None:
        """Returns the counters that were last written to the file. Raises `OSError`.

        Returns zeros if there is no file, and None if the file is damaged.
        """
        try:
            return Entry(**json.loads(self._path.read_text()))
        except FileNotFoundError:
            return Entry(0, 0, 0)
        except (ValueError, TypeError):
            return None

    @property
    def is_begun(self) -> bool:
        """Returns whether the ledger file has counters or is damaged. Then the store must have data."""
        noted = self.read()
        return noted is None or noted.ticks > 0

    def put_aside(self) -> Path:
        """Renames a damaged ledger file, so that a new one can be started. Returns the new path."""
        return self._path.replace(self._path.with_suffix(".unreadable"))

    def write(self, entry: Entry) -> None:
        fresh = self._path.with_suffix(".new")
        fresh.write_text(json.dumps({"ticks": entry.ticks, "accepted": entry.accepted, "at_ms": entry.at_ms}))
        fresh.replace(self._path)

    def add_loss(self, text: str) -> None:
        with self._losses.open("a") as file:
            file.write(json.dumps({"found_at": _moment(datetime.now(UTC)), "loss": text}) + "\n")


def compare(file: LedgerFile, store: LedgerStore) -> str | None:
    """Compares the counters in the store with those in the file. Returns a description of lost data, or None.

    Data is lost if the store is behind the file. A loss is stored, and reported until an operator acknowledges it. At
    the end, increases the counters and writes them to the file. Raises `StoreUnavailable`, and `OSError` when the file
    can't be written.
    """
    noted, found = file.read(), store.read()
    if noted is None:
        loss: str | None = f"{_UNREADABLE}. The record was renamed to {file.put_aside()}"
    else:
        loss = _loss(noted, found) if found.ticks < noted.ticks else None
    if loss:
        store.note_loss(loss, max(found.ticks, noted.ticks if noted else 0))
        file.add_loss(loss)
    file.write(store.tick())
    return loss


def _loss(noted: Entry, found: Entry) -> str:
    num_jobs = max(0, noted.accepted - found.accepted)
    ended = f"its data ends at {_moment_ms(found.at_ms)}" if found.at_ms else "it has no earlier data"
    return (
        f"the job store lost data that was written until {_moment_ms(noted.at_ms)}: {ended}. "
        f"{num_jobs} of {noted.accepted} accepted jobs are gone"
    )


class Ledger:
    """Looks for lost data of the embedded store every second, on a thread, until the `with` block ends.

    Calls `say` with a message when data is lost.
    """

    def __init__(self, file: LedgerFile, store: LedgerStore, say: Callable[[str], None]) -> None:
        self._file = file
        self._store = store
        self._say = say
        self._stop = threading.Event()
        self._thread = Background("ledger", self._run, self._stop.is_set)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._stop.wait(_TICK_S):
            # If the store is unreachable, the disk full or the terminal closed, the next tick tries again.
            with suppress(GridpressError, OSError):
                if loss := compare(self._file, self._store):
                    self._say(f"{loss}. Stop the service and run `gridpress repair`, which restores what it can")


def _moment_ms(at_ms: int) -> str:
    return _moment(datetime.fromtimestamp(at_ms / 1000, UTC))


def _moment(at: datetime) -> str:
    return at.strftime("%Y-%m-%dT%H:%M:%SZ")
