"""A service is backed up while jobs arrive and objects are deleted, and restored into empty servers."""

import json
import stat
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from api.services import Services
from cli.backup import making
from cli.stack.servers.seaweedfs import S3Endpoint
from shared.access.rights import Scope
from shared.ids import DEFAULT_TENANT, JobId, ObjectKey, TenantId, new_job_id
from shared.jobs.job import Job
from shared.jobs.states import JobStatus, Stage
from shared.store.access.keys import KeyStore
from shared.store.core.connect import Client
from shared.store.core.opening import adopt_state
from shared.store.endpoints.endpoints import EndpointChanges, EndpointStore
from shared.store.jobs.deleted import DeletedJobStore
from shared.store.jobs.jobs import JobStore
from shared.webhooks.secrets import new_secret
from tests.api.conftest import hints, house, store
from tests.cli.backup.source import PNG, an_edit, empty, objects_of, run, served, use, use_embedded
from tests.shared.store.builders import REVISION, WORKER_ID, a_prior, a_spec
from tests.workers.batches.shop import Shop, a_shop, some_lines
from workers.upkeep.deleted_jobs import delete_objects_of_deleted_jobs

__all__ = ["hints", "house", "store"]

ACME = TenantId("acme")


@dataclass
class Source:
    """A service with something of everything. `jobs` has the jobs by what they do."""

    shop: Shop
    data_dir: Path
    jobs: dict[str, Job]
    batch: str
    key: str
    endpoint: str


@pytest.fixture
def source(
    house: Services,
    client: Client,
    valkey_url: str,
    s3: S3Endpoint,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Source]:
    use(monkeypatch, valkey_url, s3)
    empty(house.objects)
    adopt_state(client)
    shop, data_dir = a_shop(house, client), tmp_path / "source"
    jobs = {"edit": an_edit(shop, a_spec(tenant=ACME, webhook_url="https://a.example/hook"), new_job_id())}
    jobs["deleted"] = shop.house.store.submit(new_job_id(), a_spec(tenant=ACME))
    shop.render()
    batch = shop.create(some_lines(3))
    shop.stir()
    shop.work()
    shop.render(2)
    jobs["in DiT"] = shop.house.store.submit(new_job_id(), a_spec())
    claim = shop.leases.claim(Stage.AR, REVISION, WORKER_ID)
    assert claim
    shop.leases.finish_prior(claim.lease, a_prior())
    assert shop.leases.claim(Stage.DIT, REVISION, WORKER_ID)
    jobs["waits"] = shop.house.store.submit(new_job_id(), a_spec(tenant=ACME))
    _, key = KeyStore(client).create(ACME, [Scope.READ])
    endpoint = EndpointStore(client).create(ACME, "https://b.example/", new_secret(), EndpointChanges(), most=9)
    (data_dir / "secrets").mkdir(parents=True)
    (data_dir / "secrets" / "webhook").write_text(new_secret())
    jobs = {name: shop.house.store.job(job.job_id, job.spec.tenant) for name, job in jobs.items()}
    yield Source(shop, data_dir, jobs, batch["id"], key, endpoint.endpoint_id)
    empty(house.objects)
    client.flushdb()


def picture_of(job: Job) -> ObjectKey:
    (render,) = job.renders
    assert render.picture
    return render.picture.key


@pytest.mark.attack
def test_a_backup_under_load_is_restored_into_empty_servers(
    source: Source, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Jobs are submitted meanwhile. Between the copies of the two stores, a job is deleted."""
    shop, stopping, submitted = source.shop, threading.Event(), list[JobId]()

    def keep_submitting() -> None:
        while not stopping.is_set():
            submitted.append(shop.house.store.submit(new_job_id(), a_spec()).job_id)

    def delete_one(_: object) -> None:
        shop.house.store.delete(source.jobs["deleted"].job_id, ACME)
        assert delete_objects_of_deleted_jobs(DeletedJobStore(shop.client), shop.house.objects) == 0

    monkeypatch.setattr(making, "_run", delete_one)
    submitting = threading.Thread(target=keep_submitting)
    submitting.start()
    while not submitted:
        stopping.wait(0.01)
    num_before = len(submitted)
    try:
        made = run("backup", tmp_path / "backup", "--data", source.data_dir)
    finally:
        stopping.set()
        submitting.join()
    assert made.exit_code == 0, made.output
    objects = objects_of(shop.house.objects)
    assert picture_of(source.jobs["deleted"]) in objects
    assert delete_objects_of_deleted_jobs(DeletedJobStore(shop.client), shop.house.objects) == 1
    use_embedded(monkeypatch)
    restored = run("restore", tmp_path / "backup", "--data", tmp_path / "new")
    assert restored.exit_code == 0, restored.output
    with served(tmp_path / "new") as (client, bucket):
        jobs = JobStore(client)
        assert {name: jobs.job(job.job_id, job.spec.tenant) for name, job in source.jobs.items()} == source.jobs
        assert objects_of(bucket) == objects
        for job_id in submitted[:num_before]:
            assert jobs.job(job_id, DEFAULT_TENANT).status is JobStatus.QUEUED
        assert client.hget(f"gridpress:batch:{source.batch}", "completed") == "2"
        assert client.zcard("gridpress:leases") == 1, "upkeep takes up what was running"
        assert client.exists(f"gridpress:endpoint:{source.endpoint}")
        assert [key.tenant for key in KeyStore(client).all_keys()] == [ACME]
        assert bucket.read(picture_of(source.jobs["edit"]))[1] == "image/png"
    secret = "secrets/webhook"
    assert (tmp_path / "new" / secret).read_text() == (source.data_dir / secret).read_text()


def test_only_the_owner_can_read_a_backup(source: Source, tmp_path: Path) -> None:
    assert run("backup", tmp_path / "backup", "--data", source.data_dir).exit_code == 0
    found = list((tmp_path / "backup").rglob("*"))
    modes = {stat.S_IMODE(path.stat().st_mode) for path in found if path.is_file()}
    folders = {stat.S_IMODE(path.stat().st_mode) for path in found if path.is_dir()}
    assert (modes, folders) == ({0o600}, {0o700})
    assert stat.S_IMODE((tmp_path / "backup").stat().st_mode) == 0o700
    assert source.key not in (tmp_path / "backup" / "backup.json").read_text()


def test_a_bucket_with_a_backup_of_its_own_is_only_listed(
    source: Source, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, client: Client
) -> None:
    """The command that copies the bucket runs while no object is deleted."""
    copied, held = tmp_path / "backup", tmp_path / "held"
    command = f'{sys.executable} -c "print(1)" > {held}'
    options = ("--objects", "list", "--copy-with", command, "--data", source.data_dir)
    made = run("backup", copied, *options)
    assert made.exit_code == 0, made.output
    assert held.read_text() == "1\n"
    assert not (copied / "objects").exists()
    client.flushdb()
    key = picture_of(source.jobs["edit"])
    source.shop.house.objects.delete(key)
    refused = run("restore", copied, "--data", tmp_path / "new")
    assert (refused.exit_code, client.keys("*")) == (1, [])
    assert f"1 of {json.loads((copied / 'backup.json').read_text())['num_objects']} objects are not in the bucket" in (
        refused.output
    )
    assert key in refused.output
    restored = run("restore", copied, "--allow-missing", "--data", tmp_path / "new")
    assert restored.exit_code == 0, restored.output
    assert JobStore(client).job(source.jobs["edit"].job_id, ACME) == source.jobs["edit"]


@pytest.mark.attack
def test_a_copy_command_that_fails_leaves_no_backup(source: Source, tmp_path: Path) -> None:
    options = ("--objects", "list", "--copy-with", "exit 7", "--data", source.data_dir)
    failed = run("backup", tmp_path / "backups" / "one", *options)
    assert (failed.exit_code, failed.stderr) == (
        1,
        "gridpress: the command that copies the objects ended with status 7: exit 7\n",
    )
    assert list((tmp_path / "backups").iterdir()) == []


def test_objects_that_are_there_are_not_written_again(source: Source, tmp_path: Path, client: Client) -> None:
    assert run("backup", tmp_path / "backup", "--data", source.data_dir).exit_code == 0
    client.flushdb()
    before = objects_of(source.shop.house.objects)
    changed = picture_of(source.jobs["edit"])
    source.shop.house.objects.put(changed, PNG * 2, "image/png")
    restored = run("restore", tmp_path / "backup", "--data", tmp_path / "new")
    assert f"1 objects are restored; {len(before) - 1} were there already" in restored.output
    assert objects_of(source.shop.house.objects) == before
