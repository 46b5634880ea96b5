"""Purges batches after their retention and deletes what remains of deleted batches.

The pictures and files of purged batches stay.
"""

import random

from shared.batches.batch import BatchId, folder_of, line_job_prefix
from shared.objects.store import ObjectStore
from shared.store.batches.batches import BatchStore, DeletedBatch
from workers.upkeep.deleting import delete_each

_MOST_AT_ONCE = 20
_MOST_JOBS = 100  # in one call of the script; each job has up to 16 renders
# Objects in one S3 request. A batch may have hundreds of thousands, so it must not delay other batches.
_MOST_OBJECTS = 1000


def purge_old_batches(batches: BatchStore, objects: ObjectStore, retention_s: int) -> int:
    """Purges batches after their retention, with their folders in the object store. Returns the number of purged
    batches.

    The store lists a purged batch until the batch's objects are deleted, so a crash leaves no objects behind.
    """

    def delete(batch_id: BatchId) -> None:
        objects.delete_prefix(folder_of(batch_id))
        batches.forget(batch_id)

    forgotten = batches.purge(retention_s, _MOST_AT_ONCE)
    random.shuffle(forgotten)  # a batch that keeps failing does not block the others, so none has to be postponed
    return delete_each(forgotten, delete, lambda *_: None)


def delete_deleted_batches(batches: BatchStore, objects: ObjectStore) -> int:
    """Deletes a part of what remains of deleted batches: jobs first, then pictures and other objects. Returns how many
    batches it worked on.

    The store lists a deleted batch until nothing of the batch remains.
    """

    def delete(deleted: DeletedBatch) -> None:
        if _delete_some(batches, objects, deleted) == 0:
            batches.forget_deleted(deleted)

    return delete_each(batches.deleted(_MOST_AT_ONCE), delete, batches.put_off_deleted)


def _delete_some(batches: BatchStore, objects: ObjectStore, deleted: DeletedBatch) -> int:
    """Deletes some jobs of a deleted batch or, once it has no job, some of its objects. Returns how many were deleted.

    Jobs go first, so that links to deleted pictures exist only briefly.
    """
    prefixes = (f"jobs/{line_job_prefix(deleted.batch_id)}", folder_of(deleted.batch_id), deleted.output_folder)
    return batches.forget_lines(deleted, _MOST_JOBS) or sum(
        objects.delete_some(prefix, _MOST_OBJECTS) for prefix in prefixes if prefix
    )
