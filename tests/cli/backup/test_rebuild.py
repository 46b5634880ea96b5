"""A job store that was lost without a backup is rebuilt from the manifests in the object store."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from api.services import Services
from cli.stack.servers.seaweedfs import S3Endpoint
from shared.ids import DEFAULT_TENANT, ObjectKey, new_job_id
from shared.jobs.job import Job
from shared.jobs.states import JobStatus
from shared.responses.job import job_response
from shared.store.core.connect import Client
from shared.store.core.opening import adopt_state
from shared.store.inputs.inputs import InputStore
from shared.store.inputs.sweep import InputSweepStore
from shared.store.jobs.jobs import JobStore
from tests.api.conftest import hints, house, store
from tests.cli.backup.source import an_edit, empty, objects_of, run, use
from tests.shared.store.builders import a_spec
from tests.workers.batches.shop import Shop, a_shop, some_lines
from workers.delivery.manifest import write_manifest
from workers.upkeep.inputs import InputSweep, delete_unused_inputs

__all__ = ["hints", "house", "store"]


@pytest.fixture
def shop(
    house: Services, client: Client, valkey_url: str, s3: S3Endpoint, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Shop]:
    use(monkeypatch, valkey_url, s3)
    empty(house.objects)
    adopt_state(client)
    yield a_shop(house, client)
    empty(house.objects)
    client.flushdb()


def told(shop: Shop, job: Job) -> Job:
    """The job, once delivery has written its manifest."""
    job = shop.house.store.job(job.job_id, job.spec.tenant)
    write_manifest(shop.house.objects, job, job_response(job, "http://127.0.0.1", "GLM-Image"))
    return job


def sweep(client: Client, shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    """The daily sweep, for which all objects are old enough."""
    client.delete("gridpress:input_sweep")
    steps = InputSweep(InputSweepStore(client), shop.house.objects, 0)
    monkeypatch.setattr(steps, "_least_age", timedelta(hours=-1))
    while steps.step():
        pass
    while delete_unused_inputs(InputStore(client), shop.house.objects):
        pass


def test_what_had_ended_is_found_and_the_rest_is_told(shop: Shop, client: Client, tmp_path: Path) -> None:
    ended = shop.house.store.submit(new_job_id(), a_spec())
    unreadable = shop.house.store.submit(new_job_id(), a_spec())
    shop.render()
    ended = told(shop, ended)
    shop.house.objects.put(ObjectKey(f"jobs/{unreadable.job_id}/manifest.json"), b"{}", "application/json")
    unfinished = shop.house.store.submit(new_job_id(), a_spec(n=2))
    shop.render(1)
    shop.create(some_lines(1))
    shop.house.objects.put(ObjectKey("batches/batch_x/input.jsonl"), b"{}", "application/json")
    client.flushdb()
    first = run("rebuild", "--data", tmp_path)
    assert first.exit_code == 0, first.output
    assert JobStore(client).job(ended.job_id, DEFAULT_TENANT).status is JobStatus.SUCCEEDED
    assert first.output.splitlines()[0] == "1 jobs that had ended are restored from their manifests"
    assert "1 jobs have objects and no manifest: they had not ended" in first.output
    assert unfinished.job_id in first.output
    assert "1 jobs have a manifest of an earlier version" in first.output
    assert unreadable.job_id in first.output
    assert "1 batches have objects, and no record" in first.output
    assert "1 files have objects, and no record" in first.output
    assert "not known from the object store: jobs that were waiting or running, API keys" in first.output
    again = run("rebuild", "--data", tmp_path)
    assert again.output.splitlines()[:2] == [
        "0 jobs that had ended are restored from their manifests",
        "1 jobs were in the job store already, and stay as they are",
    ]


@pytest.mark.attack
def test_condition_images_of_a_lost_store_are_not_swept_before_a_rebuild_nor_after(
    shop: Shop, client: Client, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The service starts with an empty store. Upkeep sweeps at once, before anybody rebuilds the store."""
    job = an_edit(shop, a_spec(), new_job_id())
    shop.render()
    told(shop, job)
    images = {key for key in objects_of(shop.house.objects) if key.startswith("inputs/")}
    assert len(images) == 1

    def left() -> set[str]:
        return {key for key in objects_of(shop.house.objects) if key.startswith("inputs/")}

    sweep(client, shop, monkeypatch)
    assert left() == images, "a job uses it"
    client.flushdb()
    adopt_state(client)
    sweep(client, shop, monkeypatch)
    assert left() == images
    assert run("rebuild", "--data", tmp_path).exit_code == 0
    sweep(client, shop, monkeypatch)
    assert left() == images
    JobStore(client).delete(job.job_id, DEFAULT_TENANT)
    sweep(client, shop, monkeypatch)
    assert left() == set(), "the image is deleted with the last job that uses it"


@pytest.mark.attack
def test_a_rebuild_of_a_store_that_lost_a_part_spares_the_images_of_the_rest(
    shop: Shop, client: Client, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A job of the lost part was waiting, so it has no manifest. Its caller may submit it again."""
    client.hset("gridpress:state", "inputs_since_ms", 0)
    job = an_edit(shop, a_spec(), new_job_id())
    client.delete(*client.keys(f"gridpress:*{job.job_id}*"), *client.keys("gridpress:input*"))
    before = objects_of(shop.house.objects)
    assert run("rebuild", "--data", tmp_path).exit_code == 0
    sweep(client, shop, monkeypatch)
    assert objects_of(shop.house.objects) == before
