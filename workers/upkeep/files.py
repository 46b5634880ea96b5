"""Deletes the bytes of files that expired, that their owner deleted, or whose upload was never completed."""

from shared.files import FileId, file_key
from shared.objects.store import ObjectStore
from shared.store.files.files import FileStore
from workers.upkeep.deleting import delete_each

_MOST_AT_ONCE = 100


def delete_ended_files(files: FileStore, objects: ObjectStore) -> int:
    """Deletes up to 100 ended files from the object store and returns the number of deleted files. A file has ended if
    it expired, if its owner deleted it, or if its upload was never completed.

    The store lists an ended file until the file's bytes are deleted, so an outage or a crash leaves no bytes behind.
    """

    def delete(file_id: FileId) -> None:
        objects.delete(file_key(file_id))
        objects.abort_uploads(file_key(file_id))
        files.forget(file_id)

    return delete_each(files.take_ended(_MOST_AT_ONCE), delete, files.put_off)
