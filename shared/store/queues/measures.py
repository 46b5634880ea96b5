"""Reads values from the store for the metrics of upkeep. The cost of reading does not depend on the number of waiting
renders.
"""

from dataclasses import dataclass
from typing import cast

from shared.jobs.states import Stage
from shared.settings.settings import Settings
from shared.store.core.connect import Client, translated
from shared.store.core.fault_counts import FaultCounts
from shared.store.core.scripts import Scripts


@dataclass(frozen=True, slots=True)
class Measures:
    """Values of the store for the metrics of upkeep.

    `oldest_wait_s` is the time for which the oldest render of a stage has waited; a stage without waiting renders is
    left out. `oldest_due_s` is the same for webhook deliveries, or None if none is due. `max_bytes` is None without a
    limit on the store's memory.
    """

    oldest_wait_s: dict[Stage, float]
    deliveries_due: int
    oldest_due_s: float | None
    dead_letters: int
    batches_open: int
    used_bytes: int
    max_bytes: int | None
    store_losses: int


class MeasureStore:
    """Reads `Measures` from the store. Every method raises `StoreUnavailable` when the store does not answer."""

    def __init__(self, client: Client, settings: Settings) -> None:
        self._client = client
        self._scripts = Scripts(client)
        self._faults = FaultCounts(client)
        self._max_bytes = settings.max_store_bytes

    def read(self) -> Measures:
        """Reads the current values for upkeep's metrics from the store, and returns them."""
        ar_ms, dit_ms, num_due, due_ms, num_dead, num_batches, now_ms = self._scripts.run("measures")
        with translated():
            memory = cast("dict[str, int]", self._client.info("memory"))

        def age_s(since_ms: int) -> float:
            return max(0, now_ms - since_ms) / 1000

        oldest_ms = {Stage.AR: ar_ms, Stage.DIT: dit_ms}
        return Measures(
            oldest_wait_s={stage: age_s(since_ms) for stage, since_ms in oldest_ms.items() if since_ms is not None},
            deliveries_due=num_due,
            oldest_due_s=None if due_ms is None else age_s(due_ms),
            dead_letters=num_dead,
            batches_open=num_batches,
            used_bytes=memory["used_memory"],
            max_bytes=memory.get("maxmemory") or self._max_bytes,
            store_losses=self._faults.read().get("store.loss", 0),
        )
