"""Stores the ledger: two counters that only grow. `cli.stack` copies both counters to a place outside the store. If the
store's `ticks` is lower than the copied `ticks`, the store has lost writes.

  gridpress:ledger  hash  accepted: number of jobs ever created (submit.lua); ticks: number of ticks; at_ms: wall clock
                          time of the last tick; loss: description of a detected loss until an operator acknowledges it
"""

import time
from dataclasses import dataclass
from typing import cast

from shared.store.core.connect import Client, translated

_KEY = "gridpress:ledger"


@dataclass(frozen=True, slots=True)
class Entry:
    """The counters of the ledger. `ticks` grows by one a second. It is lower than expected after the store was restored
    to an earlier state.

    `accepted` is the number of jobs ever created. `at_ms` is the wall clock time of the last tick.
    """

    ticks: int
    accepted: int
    at_ms: int


class LedgerStore:
    """Reads and writes the ledger in the store. Every method raises `StoreUnavailable` when the store
    does not answer.
    """

    def __init__(self, client: Client) -> None:
        self._client = client

    def read(self) -> Entry:
        """Returns the counters of the ledger as the store has them now."""
        with translated():
            found = cast("list[str | None]", self._client.hmget(_KEY, ["ticks", "accepted", "at_ms"]))
        return Entry(*(int(value or 0) for value in found))

    def tick(self) -> Entry:
        """Adds one to the ledger's `ticks`. Returns the ledger once the tick is on the store's disk."""
        now_ms = int(time.time() * 1000)
        with translated(), self._client.pipeline() as pipeline:
            pipeline.hincrby(_KEY, "ticks", 1)
            pipeline.hset(_KEY, "at_ms", now_ms)
            pipeline.hget(_KEY, "accepted")
            ticks, _, accepted = pipeline.execute()
        return Entry(int(ticks), int(accepted or 0), now_ms)

    def note_loss(self, text: str, ticks: int) -> None:
        """Stores the description of a detected loss of writes until `acknowledge` is called, and counts the loss as a
        fault.

        Also sets the ledger's `ticks` to the given number, so that the same loss is detected only once.
        """
        with translated(), self._client.pipeline() as pipeline:
            pipeline.hset(_KEY, mapping={"loss": text, "ticks": ticks})
            pipeline.hincrby("gridpress:fault_counts", "store.loss", 1)
            pipeline.execute()

    def loss(self) -> str | None:
        """Returns the description of a loss of writes that no operator has acknowledged yet, or None."""
        with translated():
            return cast("str | None", self._client.hget(_KEY, "loss"))

    def acknowledge(self) -> None:
        """Removes the description of a loss of writes. Call this when an operator has acknowledged the loss."""
        with translated():
            self._client.hdel(_KEY, "loss")
