"""Lists deleted jobs whose objects still have to be deleted from the object store."""

from collections.abc import Sequence
from typing import cast

from shared.ids import JobId, ObjectKey
from shared.store.core.connect import Client, translated
from shared.store.core.scripts import Scripts


class DeletedJobStore:
    """Lists deleted jobs whose objects still exist. Every method raises `StoreUnavailable` when the store does not
    answer.

    An entry of the list is a job's id, or a job's id with `|again`. The second entry deletes objects that a late worker
    stored. `|inputs` follows the id if the job was an index entry with condition images.
    """

    def __init__(self, client: Client) -> None:
        self._client = client
        self._scripts = Scripts(client)

    def due(self, most: int) -> Sequence[str]:
        """Returns up to `most` entries of the list of deleted jobs: those whose objects are to be deleted now.

        Every call returns the same entries until `forget` is called for them.
        """
        return cast("list[str]", self._scripts.run("due_deletions", most))

    def drop_inputs(self, job_id: JobId, keys: Sequence[ObjectKey]) -> None:
        """Records that a deleted job no longer uses these condition images."""
        self._scripts.run("drop_inputs", job_id, *keys)

    def put_off(self, entry: str, delay_s: float) -> None:
        """Postpones the deletion of a job's objects by `delay_s`. Call this after a failed deletion, so that the
        objects of other jobs get their turn.
        """
        self._scripts.run("put_off", "doomed", entry, int(delay_s * 1000))

    def forget(self, entry: str) -> None:
        """Removes an entry of the list of deleted jobs. Call this when the objects of the job are deleted."""
        with translated():
            self._client.zrem("gridpress:doomed", entry)


def job_with_inputs(entry: str) -> JobId | None:
    """Returns the deleted job if its manifest has to be read, to learn which condition images it used; else None."""
    job, _, more = entry.partition("|")
    return JobId(job) if more.startswith("inputs") else None


def folder_of(entry: str) -> str:
    """Returns the folder in the object store that holds all objects of a deleted job. It holds nothing else."""
    job, _, _ = entry.partition("|")
    assert job.startswith("job_")
    return f"jobs/{job}/"
