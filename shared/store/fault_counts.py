"""Counts what should never happen: records that can't be read, requests that crashed. For `/v1/stats`; decides nothing.

gridpress:fault_counts  hash  name of the fault -> how often, since the store was new
"""

from collections.abc import Mapping
from contextlib import suppress
from typing import cast

from shared.errors import StoreUnavailable
from shared.store.connect import Client, translated

_KEY = "gridpress:fault_counts"


class FaultCounts:
    """Counting never fails: it is done where something else has failed already."""

    def __init__(self, client: Client) -> None:
        self._client = client

    def add(self, name: str) -> None:
        """One more of `name`; a count that the store can't take is lost, its log line is not."""
        with suppress(StoreUnavailable), translated():
            self._client.hincrby(_KEY, name, 1)

    def read(self) -> Mapping[str, int]:
        """Raises `StoreUnavailable`."""
        with translated():
            found = cast("Mapping[str, str]", self._client.hgetall(_KEY))
        return {name: int(count) for name, count in sorted(found.items())}
