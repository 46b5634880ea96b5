"""What the store knows of its own past, for whoever compares it with a note kept elsewhere: see cli/stack/ledger.py.

gridpress:ledger  hash  accepted: jobs ever made (submit.lua); ticks: how often it was noted; at_ms: when, by the wall;
                        loss: what was found to be lost, until somebody says that they know
"""

import time
from dataclasses import dataclass
from typing import cast

from shared.store.connect import Client, translated

_KEY = "gridpress:ledger"


@dataclass(frozen=True, slots=True)
class Entry:
    """How far the store had come. Ticks grow by one a second; what a store lost, it has not counted."""

    ticks: int
    accepted: int
    at_ms: int


class LedgerStore:
    """Every method raises `StoreUnavailable`."""

    def __init__(self, client: Client) -> None:
        self._client = client

    def read(self) -> Entry:
        """As it stands in the store."""
        with translated():
            found = cast("list[str | None]", self._client.hmget(_KEY, ["ticks", "accepted", "at_ms"]))
        return Entry(*(int(value or 0) for value in found))

    def tick(self) -> Entry:
        """One more, on the store's disk when this returns."""
        now_ms = int(time.time() * 1000)
        with translated(), self._client.pipeline() as pipeline:
            pipeline.hincrby(_KEY, "ticks", 1)
            pipeline.hset(_KEY, "at_ms", now_ms)
            pipeline.hget(_KEY, "accepted")
            ticks, _, accepted = pipeline.execute()
        return Entry(int(ticks), int(accepted or 0), now_ms)

    def note_loss(self, text: str, ticks: int) -> None:
        """Told until `acknowledge`; counted for good. `ticks` go on from where they were, so that it is told once."""
        with translated(), self._client.pipeline() as pipeline:
            pipeline.hset(_KEY, mapping={"loss": text, "ticks": ticks})
            pipeline.hincrby("gridpress:fault_counts", "store.loss", 1)
            pipeline.execute()

    def loss(self) -> str | None:
        """What was lost, in words, if anything was and nobody has acknowledged it."""
        with translated():
            return cast("str | None", self._client.hget(_KEY, "loss"))

    def acknowledge(self) -> None:
        """Somebody knows."""
        with translated():
            self._client.hdel(_KEY, "loss")
