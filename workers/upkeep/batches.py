"""Forgets batches that ended long ago, keeping their pictures and files, and deletes the remains of deleted batches."""

import random

from shared.batches.batch import BatchId, folder_of, line_job_prefix
from shared.objects.store import ObjectStore
from shared.store.batches.batches import BatchStore, DeletedBatch
from workers.upkeep.each import delete_each

_MOST_AT_ONCE = 20
_MOST_JOBS = 100  # of up to 16 renders each
_MOST_OBJECTS = 1000  # of one request; a batch may have hundreds of thousands: others are to have their turn


def delete_batches(batches: BatchStore, objects: ObjectStore, retention_s: int) -> int:
    """Forgets old batches and returns how many. A batch is listed until its objects are gone, so a crash leaves none
    behind.
    """

    def delete(batch_id: BatchId) -> None:
        objects.delete_prefix(folder_of(batch_id))
        batches.forget(batch_id)

    forgotten = batches.purge(retention_s, _MOST_AT_ONCE)
    random.shuffle(forgotten)  # so none has to be put off
    return delete_each(forgotten, delete, lambda *_: None)


def delete_deleted(batches: BatchStore, objects: ObjectStore) -> int:
    """Deletes a part of what remains of deleted batches. Returns the number of batches that it worked on.

    A batch is listed until nothing remains.
    """

    def delete(deleted: DeletedBatch) -> None:
        if _delete_some(batches, objects, deleted) == 0:
            batches.forget_deleted(deleted)

    return delete_each(batches.deleted(_MOST_AT_ONCE), delete, batches.put_off_deleted)


def _delete_some(batches: BatchStore, objects: ObjectStore, deleted: DeletedBatch) -> int:
    """Deletes jobs before their pictures, so that links to deleted pictures are short-lived. Returns how many it
    deleted.
    """
    prefixes = (f"jobs/{line_job_prefix(deleted.batch_id)}", folder_of(deleted.batch_id))
    return batches.forget_lines(deleted, _MOST_JOBS) or sum(
        objects.delete_some(prefix, _MOST_OBJECTS) for prefix in prefixes
    )
