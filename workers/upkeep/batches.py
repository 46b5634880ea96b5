"""Forgets batches that ended long ago, with all that is kept to answer about them. Their pictures and files stay."""

from shared.batches import folder_of
from shared.objects import ObjectStore
from shared.store.batches import BatchStore

_MOST_AT_ONCE = 20


def delete_batches(batches: BatchStore, objects: ObjectStore, retention_s: int) -> int:
    """Returns how many. One is named until its objects are gone, so an outage or a crash leaves none behind."""
    forgotten = batches.purge(retention_s, _MOST_AT_ONCE)
    for batch_id in forgotten:
        objects.delete_prefix(folder_of(batch_id))
        batches.forget(batch_id)
    return len(forgotten)
