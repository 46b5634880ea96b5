"""Counts faults that should never happen: unreadable records, crashed requests. Shown in `/v1/stats`; decides nothing.

gridpress:fault_counts  hash  name of the fault -> how often, since the store was new
"""

from collections.abc import Mapping
from contextlib import suppress
from typing import cast

from shared.errors import StoreUnavailable
from shared.store.core.connect import Client, translated

_KEY = "gridpress:fault_counts"


class FaultCounts:
    """Counts of faults by name."""

    def __init__(self, client: Client) -> None:
        self._client = client

    def add(self, name: str) -> None:
        """Adds one to `name`. Never raises: the caller is handling a fault already, and has logged it."""
        with suppress(StoreUnavailable), translated():
            self._client.hincrby(_KEY, name, 1)

    def read(self) -> Mapping[str, int]:
        """Returns all counts by name. Raises `StoreUnavailable`."""
        with translated():
            found = cast("Mapping[str, str]", self._client.hgetall(_KEY))
        return {name: int(count) for name, count in sorted(found.items())}
