"""Jobs that were deleted and whose objects still are to be. Each is named until that is done."""

from collections.abc import Sequence
from typing import cast

from shared.store.core.connect import Client, translated
from shared.store.core.scripts import Scripts


class DoomedStore:
    """Every method raises `StoreUnavailable` when the store does not answer."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._scripts = Scripts(client)

    def due(self, most: int) -> Sequence[str]:
        """Entries whose objects are to be deleted now; the same again until `forget`."""
        return cast("list[str]", self._scripts.run("doomed", most))

    def put_off(self, entry: str, delay_s: float) -> None:
        """Lets those behind it come first: its objects could not be deleted."""
        self._scripts.run("put_off", "doomed", entry, int(delay_s * 1000))

    def forget(self, entry: str) -> None:
        """Its objects are gone."""
        with translated():
            self._client.zrem("gridpress:doomed", entry)


def folder_of(entry: str) -> str:
    """Where the object store keeps all that belongs to the job of this entry, and nothing else."""
    job, _, _ = entry.partition("|")
    assert job.startswith("job_")
    return f"jobs/{job}/"
