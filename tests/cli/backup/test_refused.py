"""What can't be backed up or restored is refused in one line, and nothing is lost."""

import gzip
import hashlib
import json
import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from cli.backup.folder import Backup, BackupWriter, path_of
from cli.errors import Failure
from cli.stack.servers.seaweedfs import S3Endpoint
from shared.ids import ObjectKey
from shared.objects.store import ObjectStore
from shared.store.core.connect import Client
from shared.store.core.state_version import VERSION
from tests.cli.backup.source import empty, objects_of, run, use
from tests.fixtures.disks import DISK_BYTES, small_disk

__all__ = ["small_disk"]

KEY = ObjectKey("jobs/job_x/0000/h/image.png")


@pytest.fixture
def service(
    client: Client, objects: ObjectStore, valkey_url: str, s3: S3Endpoint, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Client]:
    """Servers with a few keys and one object."""
    use(monkeypatch, valkey_url, s3)
    empty(objects)
    client.set("gridpress:a", "1")
    client.hset("gridpress:state", mapping={"version": VERSION, "oldest": VERSION, "release": "1"})
    objects.put(KEY, b"a picture", "image/png")
    yield client
    client.flushdb()
    empty(objects)


@pytest.fixture
def made(service: Client, tmp_path: Path) -> Path:
    """A backup; afterwards the store is empty."""
    assert run("backup", tmp_path / "backup", "--data", tmp_path / "data").exit_code == 0
    service.flushdb()
    return tmp_path / "backup"


def rewrite(folder: Path, **changes: Any) -> None:
    """Changes `backup.json`, with the right checksum."""
    body = {**json.loads((folder / "backup.json").read_text()), **changes}
    del body["sha256"]
    digest = hashlib.sha256(json.dumps(body, sort_keys=True).encode()).hexdigest()
    (folder / "backup.json").write_text(json.dumps({**body, "sha256": digest}))


def flip(path: Path) -> None:
    """Changes one bit in the middle."""
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


DAMAGES: dict[str, tuple[Callable[[Path], object], str]] = {
    "no facts": (lambda folder: (folder / "backup.json").unlink(), "is no backup, or not a complete one"),
    "facts cut": (lambda folder: os.truncate(folder / "backup.json", 40), "it is not JSON"),
    "facts of another kind": (lambda folder: (folder / "backup.json").write_text("[]"), "does not describe a backup"),
    "facts changed": (
        lambda folder: (folder / "backup.json").write_text(
            (folder / "backup.json").read_text().replace('"num_keys": 1', '"num_keys": 2')
        ),
        "its checksum is wrong",
    ),
    "store changed": (lambda folder: flip(folder / "store.jsonl.gz"), "store.jsonl.gz does not have the checksum"),
    "store missing": (lambda folder: (folder / "store.jsonl.gz").unlink(), "store.jsonl.gz is missing"),
    "list cut": (lambda folder: os.truncate(folder / "objects.jsonl.gz", 20), "objects.jsonl.gz does not have"),
    "object changed": (lambda folder: flip(folder / path_of(KEY)), "image.png does not have the checksum"),
    "object missing": (lambda folder: (folder / path_of(KEY)).unlink(), "image.png is missing"),
    "newer format": (lambda folder: rewrite(folder, format=2, release="9.8.7"), "was made by Gridpress 9.8.7"),
    "newer state": (
        lambda folder: rewrite(folder, state_version=VERSION + 1, release="9.8.7"),
        f"Gridpress 9.8.7, with state of version {VERSION + 1}",
    ),
}


@pytest.mark.attack
@pytest.mark.parametrize(("damage", "told"), DAMAGES.values(), ids=DAMAGES)
def test_a_damaged_incomplete_or_newer_backup_is_refused(
    made: Path, service: Client, objects: ObjectStore, damage: Callable[[Path], object], told: str
) -> None:
    objects.delete(KEY)
    damage(made)
    refused = run("restore", made, "--data", made.parent / "new")
    assert (refused.exit_code, refused.stderr.count("\n")) == (1, 1), refused.output
    assert told in refused.stderr
    assert (service.keys("*"), objects_of(objects)) == ([], {})


@pytest.mark.attack
def test_a_store_that_is_not_empty_is_refused(made: Path, service: Client, objects: ObjectStore) -> None:
    service.set("gridpress:job:x", "of another service")
    objects.delete(KEY)
    refused = run("restore", made, "--data", made.parent / "new")
    assert (refused.exit_code, refused.stderr) == (
        3,
        "gridpress: the job store is not empty, it has the key gridpress:job:x: a restore needs an empty store\n",
    )
    assert (service.keys("*"), objects_of(objects)) == (["gridpress:job:x"], {})


def test_a_secret_that_differs_is_refused(made: Path, service: Client, tmp_path: Path) -> None:
    """Receivers of webhooks would refuse the signatures of the other secret."""
    service.set("gridpress:a", "1")
    (tmp_path / "data" / "secrets").mkdir(parents=True)
    (tmp_path / "data" / "secrets" / "webhook").write_text("one")
    assert run("backup", tmp_path / "second", "--data", tmp_path / "data").exit_code == 0
    service.flushdb()
    (tmp_path / "data" / "secrets" / "webhook").write_text("other")
    refused = run("restore", tmp_path / "second", "--data", tmp_path / "data")
    assert (refused.exit_code, service.keys("*")) == (1, [])
    assert "secrets/webhook differs from the secret of the backup" in refused.stderr


@pytest.mark.attack
def test_a_full_disk_during_a_backup_leaves_nothing(service: Client, objects: ObjectStore, small_disk: Path) -> None:
    objects.put(ObjectKey("jobs/job_x/0000/h/large.png"), os.urandom(DISK_BYTES), "image/png")
    failed = run("backup", small_disk / "backup", "--data", small_disk.parent / "data")
    assert (failed.exit_code, failed.stderr) == (
        3,
        f"gridpress: {small_disk / 'backup'} can't be written: No space left on device\n",
    )
    assert list(small_disk.iterdir()) == []
    assert service.zcard("gridpress:backups") == 0, "objects may be deleted again"
    assert service.get("gridpress:a") == "1"


@pytest.mark.attack
def test_a_backup_that_is_ended_by_sigterm_leaves_nothing(
    service: Client, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cli.backup.making._run", lambda _: os.kill(os.getpid(), signal.SIGTERM))
    ended = run("backup", tmp_path / "backups" / "one", "--data", tmp_path / "data")
    assert (ended.exit_code, ended.stderr) == (1, "gridpress: ended by SIGTERM: there is no backup\n")
    assert list((tmp_path / "backups").iterdir()) == []
    assert service.zcard("gridpress:backups") == 0


@pytest.mark.parametrize("has_content", [True, False])
def test_a_folder_that_exists_is_used_only_if_it_is_empty(service: Client, tmp_path: Path, has_content: bool) -> None:
    folder = tmp_path / "backup"
    folder.mkdir()
    if has_content:
        (folder / "notes").write_text("mine")
    result = run("backup", folder, "--data", tmp_path / "data")
    assert result.exit_code == has_content
    assert (folder / "backup.json").exists() is not has_content
    if has_content:
        assert (result.stderr.count("\n"), (folder / "notes").read_text()) == (1, "mine")


def test_a_copy_command_needs_a_backup_without_objects(tmp_path: Path) -> None:
    refused = run("backup", tmp_path / "backup", "--copy-with", "true")
    assert (refused.exit_code, list(tmp_path.iterdir())) == (2, [])
    assert "--copy-with needs --objects list" in refused.output


@pytest.mark.attack
def test_a_store_that_goes_away_during_a_backup_leaves_nothing(
    service: Client, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def cut(_: object) -> None:
        service.zadd("gridpress:backups", dict.fromkeys(service.zrange("gridpress:backups", 0, -1), 1))

    monkeypatch.setattr("cli.backup.making._run", cut)
    failed = run("backup", tmp_path / "backup", "--data", tmp_path / "data")
    assert (failed.exit_code, failed.stderr.count("\n")) == (3, 1)
    assert "away too long" in failed.stderr
    assert [path.name for path in tmp_path.iterdir() if "backup" in path.name] == []


@pytest.mark.parametrize(
    ("key", "path"),
    [
        (KEY, f"objects/{KEY}"),
        ("inputs/a.b_c-d/x.png", "objects/inputs/a.b_c-d/x.png"),
        ("files/../../x", "objects/files/%2E%2E/%2E%2E/x"),
        ("files/ü\n", "objects/files/%C3%BC%0A"),
    ],
)
def test_no_key_leads_outside_the_folder_of_a_backup(key: str, path: str) -> None:
    assert path_of(key) == path


def test_a_value_that_is_no_text_keeps_its_bytes(tmp_path: Path) -> None:
    with BackupWriter(tmp_path / "backup") as writer:
        with writer.lines("store.jsonl.gz") as write:
            write(["gridpress:x", "string", None, b"\xff\x00\n".decode("utf-8", "surrogateescape")])
        writer.complete({"objects": "listed"})
    backup = Backup(tmp_path / "backup")
    backup.verify()
    ((_, _, _, value),) = backup.lines("store.jsonl.gz")
    assert value.encode("utf-8", "surrogateescape") == b"\xff\x00\n"
    assert gzip.decompress((tmp_path / "backup" / "store.jsonl.gz").read_bytes()).isascii()


@pytest.mark.attack
def test_a_backup_that_was_not_completed_is_none(tmp_path: Path) -> None:
    with BackupWriter(tmp_path / "backup") as writer:
        writer.write("objects/x", [b"x"])
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(Failure, match="not a complete one"):
        Backup(tmp_path)
