"""Counts faults that should never happen, for example unreadable records and crashed requests. `/v1/stats` shows the
counts.

gridpress:fault_counts  hash  name of the fault -> how often it has happened since the store was created
"""

from collections.abc import Mapping
from contextlib import suppress
from typing import cast

from shared.errors import StoreUnavailable
from shared.store.core.connect import Client, translated

_KEY = "gridpress:fault_counts"


class FaultCounts:
    """Counts faults in the store by their name. A fault should never happen, for example an unreadable record."""

    def __init__(self, client: Client) -> None:
        self._client = client

    def add(self, name: str) -> None:
        """Adds one to the count of the fault `name`. Never raises an error, because its callers are already handling a
        fault.
        """
        with suppress(StoreUnavailable), translated():
            self._client.hincrby(_KEY, name, 1)

    def read(self) -> Mapping[str, int]:
        """Returns the counts of all faults by name. Raises `StoreUnavailable`."""
        with translated():
            found = cast("Mapping[str, str]", self._client.hgetall(_KEY))
        return {name: int(count) for name, count in sorted(found.items())}
