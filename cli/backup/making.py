"""Makes a backup of a service that runs or is stopped."""

import subprocess
from collections.abc import Iterator
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import cast

import click

from cli.backup.folder import STORE, BackupWriter
from cli.backup.objects import copy_objects, list_objects
from cli.errors import Failure
from cli.stack.servers.reach import reached_servers
from shared.objects.store import ObjectStore
from shared.settings.settings import Settings
from shared.store.backups.copying import copied_records
from shared.store.backups.holds import BackupHolds
from shared.store.backups.records import NONE, STATE
from shared.store.core.connect import Client, connect, connect_to_copy, translated
from shared.store.core.state_version import VERSION, StateVersion

# Each installation has its own login at its embedded servers.
LOGINS = ("valkey_password", "s3_access_key", "s3_secret_key")


def make_backup(settings: Settings, folder: Path, *, with_objects: bool, command: str | None) -> Iterator[str]:
    """Writes a backup into `folder`. Yields sentences about its progress.

    Without `with_objects` the backup has only a list of the objects. `command` is a shell command that copies the
    bucket by its own means. Until it has ended, no object is deleted. Raises `Failure`, `StoreUnavailable`,
    `ObjectStoreUnavailable` and `Misconfigured`, and then leaves nothing behind.
    """
    with BackupWriter(folder) as writer, reached_servers(settings) as found, _store(found) as client:
        objects = ObjectStore(found)
        objects.check()
        with BackupHolds(client).held() as check_hold:
            facts = _copy_store(found, client, writer)
            yield f"{facts['num_keys']} keys of the job store are copied, as they were at {facts['store_at']}"
            _run(command)
            num_objects, num_bytes = (copy_objects if with_objects else list_objects)(objects, writer)
            check_hold()
        yield f"{num_objects} objects ({num_bytes} bytes) are {'copied' if with_objects else 'listed'}"
        for name, data in _secrets(found.data_dir):
            writer.write_secret(f"secrets/{name}", data)
        kind = "copied" if with_objects else "listed"
        writer.complete({**facts, "objects": kind, "num_objects": num_objects, "num_bytes": num_bytes})
    yield f"the backup is complete: {folder}"


def _store(settings: Settings) -> Client:
    return connect(settings.redis_url, settings.durability)


def _copy_store(settings: Settings, client: Client, writer: BackupWriter) -> dict[str, object]:
    assert settings.redis_url
    with translated():
        state = cast("dict[str, str]", client.hgetall(STATE))
    names: set[str] = set()
    with connect_to_copy(settings.redis_url) as copier, writer.lines(STORE) as write:
        for page in copied_records(copier):
            for record in page:
                write(record)
                (names.discard if record[1] == NONE else names.add)(record[0])
    return {
        "release": version("gridpress"),
        "state_version": max(VERSION, StateVersion.read(client).newest),
        "store_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "state": state,
        "num_keys": len(names),
    }


def _run(command: str | None) -> None:
    if command is None:
        return
    click.echo(f"running: {command}")
    status = subprocess.run(command, shell=True, check=False).returncode  # noqa: S602 - the operator's own command
    if status != 0:
        raise Failure(f"the command that copies the objects ended with status {status}: {command}")


def _secrets(data_dir: Path) -> Iterator[tuple[str, bytes]]:
    """Yields the secrets in the data folder that a restored service needs, such as the one that signs webhooks."""
    for path in sorted((data_dir / "secrets").glob("[!.]*")):
        if path.name not in LOGINS and path.is_file():
            yield path.name, path.read_bytes()
