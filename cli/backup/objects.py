"""Copies the objects of a service into the folder of a backup, and back into a bucket."""

from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from itertools import islice
from pathlib import Path

from cli.backup.folder import OBJECTS, Backup, BackupWriter, path_of
from cli.errors import Failure
from shared.errors import ObjectNotFound
from shared.ids import ObjectKey
from shared.objects.store import ObjectStore, StoredObject

# Key, number of bytes, ETag; in a copy also SHA-256 and content type, else None.
Entry = tuple[str, int, str, str | None, str | None]

_FOLDERS = ("jobs/", "inputs/", "files/", "batches/", "outputs/")
_THREADS = 8
_AT_ONCE = 1000
_CHUNK_BYTES = 1024 * 1024


def copy_objects(objects: ObjectStore, writer: BackupWriter) -> tuple[int, int]:
    """Copies all objects into the backup, with a list of them. Returns their number and their bytes."""
    with _pool() as pool, writer.lines(OBJECTS) as write:
        found = (entry for page in _pages(objects) for entry in pool.map(partial(_copied, objects, writer), page))
        return _written(write, (entry for entry in found if entry))


def list_objects(objects: ObjectStore, writer: BackupWriter) -> tuple[int, int]:
    """Writes a list of all objects into the backup. Returns their number and their bytes."""
    with writer.lines(OBJECTS) as write:
        entries = ((each.key, each.num_bytes, each.etag, None, None) for page in _pages(objects) for each in page)
        return _written(write, entries)


def put_objects(backup: Backup, objects: ObjectStore) -> int:
    """Writes the objects of a backup into the bucket. Returns how many it wrote: the others were there already."""
    with _pool() as pool:
        return sum(
            is_written
            for entries in _parts(backup.lines(OBJECTS))
            for is_written in pool.map(partial(_put, backup.folder, objects), entries)
        )


def missing_objects(backup: Backup, objects: ObjectStore) -> list[str]:
    """Returns the keys of the objects that the backup lists and the bucket does not have with the same size."""
    with _pool() as pool:
        return [
            key
            for entries in _parts(backup.lines(OBJECTS))
            for key, is_there in zip(
                (entry[0] for entry in entries), pool.map(partial(_is_there, objects), entries), strict=True
            )
            if not is_there
        ]


@contextmanager
def _pool() -> Iterator[ThreadPoolExecutor]:
    pool = ThreadPoolExecutor(_THREADS, thread_name_prefix="objects")
    try:
        yield pool
    finally:
        pool.shutdown(cancel_futures=True)


def _pages(objects: ObjectStore) -> Iterator[list[StoredObject]]:
    for folder in _FOLDERS:
        yield from objects.entries(folder)


def _written(write: object, entries: Iterable[Entry]) -> tuple[int, int]:
    assert callable(write)
    num_objects = num_bytes = 0
    for entry in entries:
        write(entry)
        num_objects, num_bytes = num_objects + 1, num_bytes + entry[1]
    return num_objects, num_bytes


def _copied(objects: ObjectStore, writer: BackupWriter, listed: StoredObject) -> Entry | None:
    """Copies one object. Returns None if it is gone: its deletion was decided before the backup began."""
    try:
        found, content_type, chunks = objects.read(listed.key)
    except ObjectNotFound:
        return None
    num_bytes, sha256 = writer.write(path_of(found.key), chunks)
    if num_bytes != found.num_bytes:
        raise Failure(f"the object store sent {num_bytes} of {found.num_bytes} bytes of {found.key}")
    return found.key, num_bytes, found.etag, sha256, content_type


def _put(folder: Path, objects: ObjectStore, entry: Entry) -> bool:
    """Writes one object, unless the bucket has it. Returns whether it was written."""
    key, num_bytes, etag, _, content_type = entry
    if objects.find(ObjectKey(key)) == StoredObject(ObjectKey(key), num_bytes, etag):
        return False
    with (folder / path_of(key)).open("rb") as file, objects.writer(ObjectKey(key), content_type or "") as writer:
        while chunk := file.read(_CHUNK_BYTES):
            writer.write(chunk)
    return True


def _is_there(objects: ObjectStore, entry: Entry) -> bool:
    found = objects.find(ObjectKey(entry[0]))
    return found is not None and found.num_bytes == entry[1]


def _parts(entries: Iterator[Entry]) -> Iterator[Sequence[Entry]]:
    while part := list(islice(entries, _AT_ONCE)):
        yield part
