"""Deletes the bytes of files whose time is over: expired, deleted by their owner, or never sent to the end."""

from shared.files import FileId, file_key
from shared.objects.store import ObjectStore
from shared.store.files.files import FileStore
from workers.upkeep.each import delete_each

_MOST_AT_ONCE = 100


def delete_ended(files: FileStore, objects: ObjectStore) -> int:
    """Returns how many. A file counts as deleted only once its bytes are, so an outage or a crash loses none."""

    def delete(file_id: FileId) -> None:
        objects.delete(file_key(file_id))
        objects.abort_uploads(file_key(file_id))
        files.forget(file_id)

    return delete_each(files.take_ended(_MOST_AT_ONCE), delete, files.put_off)
