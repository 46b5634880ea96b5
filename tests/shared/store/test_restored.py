"""A final job that the store lost is known again, as its manifest tells of it."""

import json
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest

from shared.ids import DEFAULT_TENANT, JobId
from shared.jobs.job import Job
from shared.jobs.states import JobStatus, RenderState, Stage
from shared.responses.job import job_response
from shared.store.core.connect import Client
from shared.store.jobs.jobs import JobStore
from shared.store.jobs.restore import RestoredJobs
from shared.store.renders.leases import LeaseStore
from tests.shared.store.builders import REVISION, RULES, WORKER_ID, a_picture, a_prior, submitted
from workers.delivery.manifest import write_manifest


def manifest_of(job: Job) -> Any:
    stored: list[bytes] = []
    objects = SimpleNamespace(put=lambda key, data, content_type: stored.append(data))
    write_manifest(objects, job, job_response(job, "http://127.0.0.1", "GLM-Image"))  # type: ignore[arg-type]
    return json.loads(stored[0])


def ended(store: JobStore, client: Client) -> Job:
    """One picture, and one that failed."""
    job, leases = submitted(store, n=2, metadata={"order": "7"}), LeaseStore(client, RULES)
    for _ in range(2):
        claim = leases.claim(Stage.AR, REVISION, WORKER_ID)
        assert claim
        if claim.index:
            leases.fail(claim.lease, {"code": "render_failed", "message": "it did not work", "retryable": False})
        else:
            leases.finish_prior(claim.lease, a_prior())
    claim = leases.claim(Stage.DIT, REVISION, WORKER_ID)
    assert claim
    leases.finish_picture(claim.lease, a_picture())
    return store.job(job.job_id, DEFAULT_TENANT)


def told(job: Job) -> dict[str, Any]:
    """As clients read it, but for times within a stage, which a manifest does not tell."""
    answer = job_response(job, "http://127.0.0.1", "GLM-Image")
    return {**answer, "images": [{**image, "timings": None} for image in answer["images"]]}


@pytest.mark.attack
def test_a_job_reads_as_it_did(client: Client, store: JobStore) -> None:
    job = ended(store, client)
    manifest, before = manifest_of(job), told(job)
    client.flushdb()
    assert RestoredJobs(client).restore(manifest)
    assert told(store.job(job.job_id, DEFAULT_TENANT)) == before
    assert client.zscore("gridpress:jobs:default:failed", job.job_id) == 0
    assert client.zscore("gridpress:finished", job.job_id)


def test_a_job_that_stands_stays_as_it_is(client: Client, store: JobStore) -> None:
    job = ended(store, client)
    assert not RestoredJobs(client).restore(manifest_of(job))
    assert not RestoredJobs(client).is_final(JobId("job_01jzzzzzzzzzzzzzzzzzzzzzzz"))


def test_a_restored_job_can_be_given_another_life(client: Client, store: JobStore) -> None:
    job = ended(store, client)
    manifest = manifest_of(job)
    client.flushdb()
    RestoredJobs(client).restore(manifest)
    revived = store.retry(replace(job), None)
    assert revived.status is JobStatus.RUNNING
    assert [render.state for render in revived.renders] == [RenderState.SUCCEEDED, RenderState.QUEUED]


def test_a_manifest_of_an_earlier_version_is_refused(client: Client, store: JobStore) -> None:
    manifest = manifest_of(ended(store, client))
    del manifest["spec"]
    client.flushdb()
    with pytest.raises(KeyError):
        RestoredJobs(client).restore(manifest)
    assert client.keys("*") == []


def test_a_restored_job_uses_its_condition_images(client: Client, store: JobStore) -> None:
    manifest = manifest_of(ended(store, client))
    manifest["spec"]["settings"]["images"] = ["inputs/a.png"]
    client.flushdb()
    RestoredJobs(client).restore(manifest)
    assert client.smembers("gridpress:input_uses:inputs/a.png") == {manifest["job"]["id"]}


def test_a_restored_job_is_deleted_at_its_time(client: Client, store: JobStore) -> None:
    manifest = manifest_of(ended(store, client))
    manifest["spec"]["delete_after_s"] = 3600
    client.flushdb()
    RestoredJobs(client).restore(manifest)
    job = store.job(JobId(manifest["job"]["id"]), DEFAULT_TENANT)
    assert job.finished_at
    assert client.zscore("gridpress:job_expiries", job.job_id) == job.finished_at.timestamp() * 1000 + 3_600_000
    assert job.spec.delete_after_s == 3600
