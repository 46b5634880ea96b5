"""Deletes the bytes of files whose time is over: expired, deleted by their owner, or never sent to the end."""

from shared.files import file_key
from shared.objects import ObjectStore
from shared.store.files import FileStore

_MOST_AT_ONCE = 100


def delete_ended(files: FileStore, objects: ObjectStore) -> int:
    """Returns how many. A file counts as deleted only once its bytes are, so an outage or a crash loses none."""
    ended = files.take_ended(_MOST_AT_ONCE)
    for file_id in ended:
        objects.delete(file_key(file_id))
        objects.abort_uploads(file_key(file_id))
        files.forget(file_id)
    return len(ended)
