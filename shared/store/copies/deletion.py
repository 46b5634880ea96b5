"""Describes copies in the bucket of a tenant that are to be deleted. Does no I/O."""

import re
from dataclasses import dataclass
from typing import Self

from shared.batches.batch import BatchId
from shared.batches.outputs import file_name, stem_of
from shared.ids import JobId, ObjectKey
from shared.jobs.spec import OutputFormat
from shared.objects.tenant_bucket import TenantBucket

_ENTRY = re.compile(r"(?:delete|again)\|(?:(job_[^|]+)|(batch_[^|]+)(?:\|(\d+)\|(.*))?)", re.DOTALL)


@dataclass(frozen=True, slots=True)
class CopyDeletion:
    """The copies of a job or of a batch. With a `custom_id`, only those of the `n` pictures of this line."""

    job_id: JobId | None = None
    batch_id: BatchId | None = None
    custom_id: str | None = None
    n: int = 0

    @classmethod
    def of_entry(cls, entry: str) -> Self | None:
        """Returns the deletion for which an entry of the store stands (see copies.lua). None: a copy is to be made."""
        found = _ENTRY.fullmatch(entry)
        if found is None:
            return None
        job, batch, n, custom_id = found.groups()
        return cls(JobId(job) if job else None, BatchId(batch) if batch else None, custom_id, int(n or 0))

    def folder(self, place: TenantBucket) -> str:
        """Returns the folder in the bucket that has the copies."""
        if self.job_id:
            return place.folder_of_job(self.job_id)
        assert self.batch_id
        return place.folder_of_batch(self.batch_id)

    def keys(self, place: TenantBucket) -> tuple[ObjectKey, ...]:
        """Returns the keys that the pictures of the line may have. Returns () if the whole folder is to be deleted."""
        if self.custom_id is None:
            return ()
        folder, stem = self.folder(place), stem_of(self.custom_id)
        names = (file_name(stem, index, self.n, each.value) for index in range(self.n) for each in OutputFormat)
        return tuple(ObjectKey(folder + name) for name in names)
