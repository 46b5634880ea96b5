"""Manifests over real stores."""

import json

import pytest

from shared.errors import ObjectStoreUnavailable
from shared.ids import DEFAULT_TENANT
from shared.jobs.manifest import manifest_key
from shared.objects.store import ObjectStore
from shared.settings.settings import Settings
from shared.store.core.connect import Client
from shared.store.jobs.jobs import JobStore
from shared.store.renders.leases import LeaseStore
from shared.store.webhooks.manifests import ManifestStore
from tests.shared.store.builders import RULES, a_picture, finish_next, submitted
from workers.delivery.manifest import ManifestService


@pytest.fixture
def service(client: Client, objects: ObjectStore, s3_settings: Settings) -> ManifestService:
    return ManifestService(ManifestStore(client, lease_ttl_s=30), JobStore(client), objects, s3_settings)


def test_the_jobs_manifest_lists_its_pictures(
    service: ManifestService, store: JobStore, client: Client, objects: ObjectStore
) -> None:
    job = submitted(store)
    finish_next(LeaseStore(client, RULES))
    assert service.write_one()
    assert not service.write_one()
    manifest = json.loads(objects.get(manifest_key(job.job_id)))
    assert manifest["job"]["status"] == "succeeded"
    assert manifest["pictures"] == [{"index": 0, "key": a_picture().key, "manifest_key": a_picture().manifest_key}]


def test_a_manifest_that_could_not_be_written_is_due_again(
    service: ManifestService, store: JobStore, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = submitted(store)
    store.cancel(job.job_id, DEFAULT_TENANT)

    def fail(*_: object) -> None:
        raise ObjectStoreUnavailable("away")

    monkeypatch.setattr(ObjectStore, "put", fail)
    assert service.write_one()
    assert client.zscore("gridpress:manifests", job.job_id) is not None
    assert client.hget(f"gridpress:job:{job.job_id}", "manifest_error") == "away"
