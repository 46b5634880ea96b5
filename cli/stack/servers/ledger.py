"""Notes the embedded store's progress in a file beside its log, and reports a loss when the store is behind the
note.
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
_UNREADABLE = "whether the job store lost anything is unknown: the note of what it held can't be read"


class LedgerFile:
    """`DIR/valkey/ledger.json`: never ahead of the store, and at most a second behind. `losses.jsonl` keeps losses for
    people.
    """

    def __init__(self, folder: Path) -> None:
        self._path = folder / "ledger.json"
        self._losses = folder / "losses.jsonl"

    def read(self) -> Entry | None:
        """Returns the last entry: an empty one without a file, None if the file is unreadable. Raises `OSError`."""
        try:
            return Entry(**json.loads(self._path.read_text()))
        except FileNotFoundError:
            return Entry(0, 0, 0)
        except (ValueError, TypeError):
            return None

    @property
    def is_begun(self) -> bool:
        """Whether anything was ever noted."""
        noted = self.read()
        return noted is None or noted.ticks > 0

    def put_aside(self) -> Path:
        """Renames an unreadable file, so that a new one begins. Returns its new path."""
        return self._path.replace(self._path.with_suffix(".unreadable"))

    def write(self, entry: Entry) -> None:
        fresh = self._path.with_suffix(".new")
        fresh.write_text(json.dumps({"ticks": entry.ticks, "accepted": entry.accepted, "at_ms": entry.at_ms}))
        fresh.replace(self._path)

    def add_loss(self, text: str) -> None:
        with self._losses.open("a") as file:
            file.write(json.dumps({"found_at": _moment(datetime.now(UTC)), "loss": text}) + "\n")


def compare(file: LedgerFile, store: LedgerStore) -> str | None:
    """Notes the store's progress. Returns a description of what the store has lost since the last note; None if
    nothing.

    The loss is recorded in the store and reported until it is acknowledged. Raises `StoreUnavailable`, and `OSError`
    when the file can't be written.
    """
    noted, found = file.read(), store.read()
    if noted is None:
        loss: str | None = f"{_UNREADABLE}. It is kept as {file.put_aside()}"
    else:
        loss = _loss(noted, found) if found.ticks < noted.ticks else None
    if loss:
        store.note_loss(loss, max(found.ticks, noted.ticks if noted else 0))
        file.add_loss(loss)
    file.write(store.tick())
    return loss


def _loss(noted: Entry, found: Entry) -> str:
    num_jobs = max(0, noted.accepted - found.accepted)
    ended = f"what it holds ends at {_moment_ms(found.at_ms)}" if found.at_ms else "it holds nothing of before"
    return (
        f"the job store lost what was written until {_moment_ms(noted.at_ms)}: {ended}. "
        f"{num_jobs} of {noted.accepted} accepted jobs are gone"
    )


class Ledger:
    """Compares once a second on a thread of its own, within the block; `say` prints a message."""

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
            # The store is away, the disk full or the terminal gone: the next second tries again.
            with suppress(GridpressError, OSError):
                if loss := compare(self._file, self._store):
                    self._say(f"{loss}. Run `gridpress repair` once the service is stopped, to find what can be found")


def _moment_ms(at_ms: int) -> str:
    return _moment(datetime.fromtimestamp(at_ms / 1000, UTC))


def _moment(at: datetime) -> str:
    return at.strftime("%Y-%m-%dT%H:%M:%SZ")
