"""Keeps the store's count of its own writes, which `cli.stack` compares with a note outside the store.

gridpress:ledger  hash  accepted: jobs ever made (submit.lua); ticks: how often it was noted; at_ms: when, by the wall;
                        loss: what was found to be lost, until an operator acknowledges it
"""

import time
from dataclasses import dataclass
from typing import cast

from shared.store.core.connect import Client, translated

_KEY = "gridpress:ledger"


@dataclass(frozen=True, slots=True)
class Entry:
    """The state of the ledger. `ticks` grows by one a second, so a store restored to an earlier state has a lower
    count.
    """

    ticks: int
    accepted: int
    at_ms: int


class LedgerStore:
    """The ledger in the store. Every method raises `StoreUnavailable`."""

    def __init__(self, client: Client) -> None:
        self._client = client

    def read(self) -> Entry:
        """Returns the ledger as it is in the store."""
        with translated():
            found = cast("list[str | None]", self._client.hmget(_KEY, ["ticks", "accepted", "at_ms"]))
        return Entry(*(int(value or 0) for value in found))

    def tick(self) -> Entry:
        """Adds a tick and returns the ledger once the tick is on the store's disk."""
        now_ms = int(time.time() * 1000)
        with translated(), self._client.pipeline() as pipeline:
            pipeline.hincrby(_KEY, "ticks", 1)
            pipeline.hset(_KEY, "at_ms", now_ms)
            pipeline.hget(_KEY, "accepted")
            ticks, _, accepted = pipeline.execute()
        return Entry(int(ticks), int(accepted or 0), now_ms)

    def note_loss(self, text: str, ticks: int) -> None:
        """Records a loss, shown until `acknowledge` and counted for good.

        Sets `ticks`, so that it is found only once.
        """
        with translated(), self._client.pipeline() as pipeline:
            pipeline.hset(_KEY, mapping={"loss": text, "ticks": ticks})
            pipeline.hincrby("gridpress:fault_counts", "store.loss", 1)
            pipeline.execute()

    def loss(self) -> str | None:
        """Returns the description of a loss that nobody has acknowledged; None without one."""
        with translated():
            return cast("str | None", self._client.hget(_KEY, "loss"))

    def acknowledge(self) -> None:
        """Removes the description of a loss that was acknowledged."""
        with translated():
            self._client.hdel(_KEY, "loss")
