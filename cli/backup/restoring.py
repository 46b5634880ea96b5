"""Restores a backup into stores that are empty."""

from collections.abc import Iterator
from itertools import islice
from pathlib import Path

from cli.backup.folder import STORE, Backup
from cli.backup.objects import missing_objects, put_objects
from cli.errors import Failure
from cli.stack.secrets import write_private
from cli.stack.servers.reach import reached_servers
from shared.objects.store import ObjectStore
from shared.settings.settings import Settings
from shared.store.backups.restoring import Restoration
from shared.store.core.connect import connect, connect_to_copy
from shared.store.core.state_version import VERSION

_AT_ONCE = 500  # keys in one round trip


def restore_backup(settings: Settings, folder: Path, *, allow_missing: bool) -> Iterator[str]:
    """Restores a backup: the objects first, then the job store. Yields sentences about its progress.

    The job store must be empty. The bucket may have objects; those of the backup replace others of the same key. Raises
    `Failure` for a backup that is damaged, not complete or of a newer release, and if objects are missing that the
    backup only lists, unless `allow_missing` is set. Raises `Misconfigured` for a store that is not empty. Then nothing
    has changed. Also raises `StoreUnavailable` and `ObjectStoreUnavailable`.
    """
    backup = Backup(folder)
    _check_release(backup)
    backup.verify()
    yield "the backup is complete and undamaged"
    with reached_servers(settings) as found:
        connect(found.redis_url, found.durability, is_for_restore=True).close()
        assert found.redis_url
        with connect_to_copy(found.redis_url) as client:
            restoration = Restoration(client)
            restoration.check()
            _check_secrets(backup, found.data_dir)
            yield from _objects(backup, ObjectStore(found), allow_missing=allow_missing)
            for name, data in backup.secrets().items():
                write_private(found.data_dir / "secrets" / name, data.decode())
            restoration.begin()
            records = backup.lines(STORE)
            while page := list(islice(records, _AT_ONCE)):
                restoration.write(page)
            restoration.end(backup.facts["state"])
    yield f"{backup.facts['num_keys']} keys of the job store are restored, as they were at {backup.facts['store_at']}"
    yield "start the service: it goes on with all work that had not ended"


def _check_release(backup: Backup) -> None:
    if backup.facts["state_version"] > VERSION:
        raise Failure(
            f"the backup was made by Gridpress {backup.facts['release']}, with state of version "
            f"{backup.facts['state_version']}; this release reads versions up to {VERSION}: use that release or later"
        )


def _check_secrets(backup: Backup, data_dir: Path) -> None:
    for name, data in backup.secrets().items():
        path = data_dir / "secrets" / name
        if path.exists() and path.read_bytes() != data:
            raise Failure(f"{path} differs from the secret of the backup: move it away, or name another data folder")


def _objects(backup: Backup, objects: ObjectStore, *, allow_missing: bool) -> Iterator[str]:
    objects.check()
    if backup.has_objects:
        num_written = put_objects(backup, objects)
        yield f"{num_written} objects are restored; {backup.facts['num_objects'] - num_written} were there already"
        return
    missing = missing_objects(backup, objects)
    if missing and not allow_missing:
        raise Failure(
            f"{len(missing)} of {backup.facts['num_objects']} objects are not in the bucket, such as {missing[0]}: "
            "restore the bucket first, or add --allow-missing"
        )
    yield f"{len(missing)} of {backup.facts['num_objects']} objects of the backup are not in the bucket"
