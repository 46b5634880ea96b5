"""An object store that answers and takes no writes is known, and known to be well again."""

import subprocess
import threading
from pathlib import Path

import pytest
from pydantic import SecretStr

from cli.stack.servers.seaweedfs import SeaweedFS, _volume_mb
from shared.errors import ObjectStoreUnavailable
from shared.objects.store import ObjectStore
from shared.settings.settings import Settings
from shared.store.core.connect import Client
from shared.store.core.object_writes import ObjectWrites
from tests.fixtures.disks import fill, small_disk
from workers.upkeep import canary
from workers.upkeep.canary import keep_writing, write_once

__all__ = ["small_disk"]

pytestmark = pytest.mark.attack


class Failing(ObjectStore):
    """Takes no writes as long as `error` is set."""

    def __init__(self, settings: Settings) -> None:
        super().__init__(settings)
        self.error: Exception | None = None
        self.num_tries = 0
        self.tried = threading.Condition()

    def put(self, *arguments: object, **options: object) -> None:
        with self.tried:
            self.num_tries += 1
            self.tried.notify_all()
        if self.error:
            raise self.error

    def wait_for(self, num: int) -> None:
        with self.tried:
            assert self.tried.wait_for(lambda: self.num_tries >= num, 60)


@pytest.mark.parametrize("error", [ObjectStoreUnavailable("500"), OSError("no descriptor"), MemoryError()])
def test_writes_that_fail_are_known_until_one_succeeds(client: Client, s3_settings: Settings, error: Exception) -> None:
    objects, writes = Failing(s3_settings), ObjectWrites(client)
    objects.error = error
    told = write_once(objects, writes)
    with pytest.raises(ObjectStoreUnavailable, match="takes no writes"):
        writes.check()
    objects.error = None
    assert write_once(objects, writes, told) == ""
    writes.check()


def test_it_goes_on_trying(client: Client, s3_settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(canary, "_EVERY_S", 0.01)
    monkeypatch.setattr(canary, "_EVERY_WHILE_FAILING_S", 0.01)
    objects, stopping = Failing(s3_settings), threading.Event()
    objects.error = RuntimeError("nobody foresaw this")
    thread = threading.Thread(target=keep_writing, args=(objects, ObjectWrites(client), stopping))
    thread.start()
    objects.wait_for(3)
    stopping.set()
    thread.join()


def test_what_upkeep_knew_is_forgotten_with_it(client: Client) -> None:
    ObjectWrites(client).note("disk full")
    assert 0 < client.ttl("gridpress:object_writes") <= 60  # type: ignore[operator]


@pytest.fixture
def on_small_disk(small_disk: Path) -> ObjectStore:
    subprocess.run(["mount", "-o", "remount,size=60m", str(small_disk)], check=True)
    server = SeaweedFS(small_disk)
    endpoint = server.start()
    yield ObjectStore(  # type: ignore[misc]
        Settings(
            s3_endpoint_url=endpoint.url,
            s3_access_key=endpoint.access_key,
            s3_secret_key=SecretStr(endpoint.secret_key),
            data_dir=small_disk,
        ),
        fails_fast=True,
    )
    server.stop()


def test_a_disk_that_fills_up_is_known_and_heals_by_itself(
    client: Client, on_small_disk: ObjectStore, small_disk: Path
) -> None:
    writes = ObjectWrites(client)
    assert write_once(on_small_disk, writes) == ""
    filler = fill(small_disk)
    told = write_once(on_small_disk, writes)
    assert told
    with pytest.raises(ObjectStoreUnavailable):
        writes.check()
    filler.unlink()
    while told:  # it may take a moment to find the room
        told = write_once(on_small_disk, writes, told)
    writes.check()


@pytest.mark.parametrize(("disk_mb", "volume_mb"), [(30, 4), (120, 4), (1024, 32), (2048, 64), (10**7, 64)])
def test_a_volume_is_a_small_part_of_the_disk(disk_mb: int, volume_mb: int) -> None:
    assert _volume_mb(disk_mb * 2**20) == volume_mb
