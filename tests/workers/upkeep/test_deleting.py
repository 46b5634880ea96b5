"""Deleting what lists name: one that always fails starves no other of its kind."""

import pytest

from shared.errors import ObjectStoreUnavailable
from shared.objects.store import ObjectStore
from shared.process.background import num_faults
from shared.store.core.connect import Client
from shared.store.files.files import FileStore
from shared.store.jobs.deleted import DeletedJobStore, folder_of
from workers.upkeep.cleaner import _delete_some
from workers.upkeep.deleted_jobs import MOST_AT_ONCE, delete_objects_of_deleted_jobs
from workers.upkeep.files import delete_ended_files

pytestmark = pytest.mark.attack

BAD = f"job_{'0' * 26}"
GOOD = [f"job_{number:026}" for number in range(1, 2 * MOST_AT_ONCE)]


@pytest.fixture
def doomed(client: Client) -> DeletedJobStore:
    client.zadd("gridpress:doomed", dict.fromkeys((BAD, *GOOD), 1))
    return DeletedJobStore(client)


def fail_for_bad(monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    def delete_prefix(_: ObjectStore, prefix: str) -> None:
        if prefix == folder_of(BAD):
            raise error

    monkeypatch.setattr(ObjectStore, "delete_prefix", delete_prefix)


def test_an_entry_that_always_raises_is_put_off(
    doomed: DeletedJobStore, client: Client, objects: ObjectStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    fail_for_bad(monkeypatch, RecursionError())
    before = num_faults()
    for _ in range(3):
        delete_objects_of_deleted_jobs(doomed, objects)
    assert client.zrange("gridpress:doomed", 0, -1) == [BAD]  # it is kept, and tried again later
    assert (doomed.due(1), num_faults() - before) == ([], 1)


def test_an_entry_that_the_object_store_never_deletes_goes_to_the_end(
    doomed: DeletedJobStore, client: Client, objects: ObjectStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    fail_for_bad(monkeypatch, ObjectStoreUnavailable("AccessDenied"))
    for _ in range(4):
        _delete_some(lambda: delete_objects_of_deleted_jobs(doomed, objects))
    assert client.zrange("gridpress:doomed", 0, -1) == [BAD]
    assert doomed.due(1) == [BAD]


def test_a_file_that_always_raises_is_put_off(
    client: Client, objects: ObjectStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    client.zadd("gridpress:file_ends", {"file-a": 1, "file-b": 2})
    monkeypatch.setattr(ObjectStore, "abort_uploads", lambda _, key: 1 / ("file-a" not in key))
    for _ in range(2):
        delete_ended_files(FileStore(client), objects)
    assert client.zrange("gridpress:file_ends", 0, -1) == ["file-a"]
