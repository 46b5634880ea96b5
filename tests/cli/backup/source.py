"""A service to back up, and empty servers to restore it into."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from cli.main import main
from cli.stack.servers.choice import with_servers
from cli.stack.servers.seaweedfs import S3Endpoint
from shared.ids import JobId, ObjectKey
from shared.jobs.job import Job
from shared.jobs.spec import JobSpec
from shared.objects.store import ObjectStore
from shared.settings.settings import Settings
from shared.store.core.connect import Client, connect
from shared.store.inputs.inputs import InputStore
from tests.workers.batches.shop import Shop

PNG = b"\x89PNG of a condition image"
FOLDERS = ("jobs/", "batches/", "files/", "inputs/")


def empty(objects: ObjectStore) -> None:
    for prefix in FOLDERS:
        while objects.delete_some(prefix, 1000):
            pass


def objects_of(objects: ObjectStore) -> dict[str, bytes]:
    return {each.key: objects.get(each.key) for prefix in FOLDERS for page in objects.entries(prefix) for each in page}


def use(patch: pytest.MonkeyPatch, valkey_url: str, s3: S3Endpoint) -> None:
    """Commands of this test use these servers."""
    patch.setenv("GRIDPRESS_REDIS_URL", valkey_url)
    patch.setenv("GRIDPRESS_S3_ENDPOINT_URL", s3.url)
    patch.setenv("GRIDPRESS_S3_ACCESS_KEY", s3.access_key)
    patch.setenv("GRIDPRESS_S3_SECRET_KEY", s3.secret_key)


def use_embedded(patch: pytest.MonkeyPatch) -> None:
    """Commands of this test use the servers of their data folder."""
    for name in ("REDIS_URL", "S3_ENDPOINT_URL", "S3_ACCESS_KEY", "S3_SECRET_KEY"):
        patch.delenv(f"GRIDPRESS_{name}", raising=False)


def run(*args: object) -> Result:
    return CliRunner().invoke(main, [str(each) for each in args])


@contextmanager
def served(data_dir: Path) -> Iterator[tuple[Client, ObjectStore]]:
    """Both stores of a data folder."""
    settings, servers = with_servers(Settings(data_dir=data_dir))
    try:
        for server in servers:
            server.launch()
        with connect(settings.redis_url) as client:
            yield client, ObjectStore(settings)
    finally:
        for server in servers:
            server.stop()


def an_edit(shop: Shop, spec: JobSpec, job_id: JobId) -> Job:
    """A job with a condition image."""
    (key,) = InputStore(shop.client).hold(spec.tenant, [("0" * 64, len(PNG))])
    shop.house.objects.put(key, PNG, "image/png")
    settings = spec.settings.model_copy(update={"images": (ObjectKey(key),)})
    return shop.house.store.submit(job_id, JobSpec(**{**dict(spec), "settings": settings}))
