"""The sweep over all condition images finds what no record names, and counts what earlier releases left uncounted."""

from datetime import UTC, datetime, timedelta

import pytest

from shared.errors import ObjectStoreUnavailable
from shared.ids import DEFAULT_TENANT, JobId, ObjectKey
from shared.jobs.job import Job
from shared.jobs.spec import JobSpec, PriorRef
from shared.objects.store import ObjectStore
from shared.store.core.connect import Client
from shared.store.inputs.inputs import InputStore
from shared.store.inputs.sweep import InputSweepStore
from shared.store.jobs.jobs import JobStore
from tests.shared.store.builders import submitted
from workers.upkeep.inputs import InputSweep, delete_unused_inputs

WEEK_S = 7 * 24 * 3600
OLD, NEW = timedelta(seconds=WEEK_S + 60), timedelta(hours=1)


class Bucket:
    """Objects with an age. The S3 server of the tests can't write an object in the past."""

    def __init__(self, **ages: timedelta) -> None:
        self.ages = {ObjectKey(f"inputs/{name}.png"): age for name, age in ages.items()}

    def pages(self, prefix: str) -> list[list[tuple[ObjectKey, datetime]]]:
        assert prefix == "inputs/"
        return [[(key, datetime.now(UTC) - age)] for key, age in self.ages.items()]

    def delete(self, key: ObjectKey) -> None:
        del self.ages[key]

    @property
    def names(self) -> set[str]:
        return {key.removeprefix("inputs/").removesuffix(".png") for key in self.ages}


def an_old_job(store: JobStore, client: Client, *images: str) -> Job:
    """A job of an earlier release: nothing says which images it uses."""
    job = submitted(store)
    settings = job.spec.settings.model_copy(update={"images": tuple(f"inputs/{name}.png" for name in images)})
    spec = JobSpec(**{**dict(job.spec), "settings": settings})
    client.hset(f"gridpress:job:{job.job_id}", "spec", spec.model_dump_json(exclude_none=True))
    return store.cancel(job.job_id, DEFAULT_TENANT)


def run(steps: InputSweep) -> None:
    """Does all steps of a sweep."""
    while steps.step():
        pass


def sweep(client: Client, bucket: Bucket) -> None:
    client.delete("gridpress:input_sweep")
    run(InputSweep(InputSweepStore(client), bucket, WEEK_S))  # type: ignore[arg-type]
    while delete_unused_inputs(InputStore(client), bucket):  # type: ignore[arg-type]
        pass


def test_old_images_that_no_job_uses_are_deleted(client: Client, store: JobStore) -> None:
    an_old_job(store, client, "used")
    bucket = Bucket(used=OLD, unused=OLD, recent=NEW)
    sweep(client, bucket)
    assert bucket.names == {"used", "recent"}


def test_jobs_of_an_earlier_release_are_counted(client: Client, store: JobStore) -> None:
    first, second = an_old_job(store, client, "a", "b"), an_old_job(store, client, "b")
    bucket = Bucket(a=OLD, b=OLD)
    sweep(client, bucket)
    store.delete(first.job_id, DEFAULT_TENANT)
    delete_unused_inputs(InputStore(client), bucket)  # type: ignore[arg-type]
    assert bucket.names == {"b"}
    store.delete(second.job_id, DEFAULT_TENANT)
    delete_unused_inputs(InputStore(client), bucket)  # type: ignore[arg-type]
    assert bucket.names == set()


def test_a_job_that_an_earlier_release_deleted_is_no_longer_counted(client: Client, store: JobStore) -> None:
    job, bucket = an_old_job(store, client, "a"), Bucket(a=OLD)
    sweep(client, bucket)
    client.delete(f"gridpress:job:{job.job_id}")  # without the record of its images
    sweep(client, bucket)
    assert (bucket.names, client.keys("gridpress:input_uses:*")) == (set(), [])


def test_an_image_that_a_request_holds_is_not_unknown(client: Client) -> None:
    (held,) = InputStore(client).hold(DEFAULT_TENANT, [("0" * 64, 5)])
    bucket = Bucket()
    bucket.ages[held] = OLD
    sweep(client, bucket)
    assert list(bucket.ages) == [held]


def test_many_jobs_share_an_image(client: Client, store: JobStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shared.store.inputs.sweep._AT_ONCE", 2)
    monkeypatch.setattr("shared.store.inputs.sweep._SCANNED", 3)
    jobs = [an_old_job(store, client, "a").job_id for _ in range(7)]
    bucket = Bucket(a=OLD)
    sweep(client, bucket)
    assert client.smembers("gridpress:input_uses:inputs/a.png") == set(jobs)


def test_a_sweep_comes_once_a_day_and_sooner_after_a_failure(
    client: Client, objects: ObjectStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise ObjectStoreUnavailable("away")

    steps, now_ms = InputSweep(InputSweepStore(client), objects, WEEK_S), datetime.now(UTC).timestamp() * 1000
    with monkeypatch.context() as away:
        away.setattr(ObjectStore, "pages", fail)
        with pytest.raises(ObjectStoreUnavailable):
            run(steps)
    assert steps.step() == 0
    assert float(str(client.get("gridpress:input_sweep"))) - now_ms < 15 * 60_000
    client.delete("gridpress:input_sweep")
    run(steps)
    assert float(str(client.get("gridpress:input_sweep"))) - now_ms > 23 * 3_600_000
    assert steps.step() == 0


def test_an_image_of_an_earlier_release_may_be_used_again_before_it_is_counted(client: Client, store: JobStore) -> None:
    source = an_old_job(store, client, "a")
    settings = store.job(source.job_id, DEFAULT_TENANT).spec.settings
    again = JobSpec(settings=settings, n=1, seed=1, prior=PriorRef(job_id=source.job_id, index=0))
    job = store.submit(JobId("job_" + "1" * 26), again)
    bucket = Bucket(a=OLD)
    store.delete(source.job_id, DEFAULT_TENANT)
    sweep(client, bucket)
    assert bucket.names == {"a"}
    store.cancel(job.job_id, DEFAULT_TENANT)
    store.delete(job.job_id, DEFAULT_TENANT)
    sweep(client, bucket)
    assert bucket.names == set()


def test_the_pages_of_the_object_store_have_times(objects: ObjectStore) -> None:
    key = ObjectKey("inputs/pages-test/a.png")
    objects.put(key, b"x", "image/png")
    (page,) = objects.pages("inputs/pages-test/")
    assert [each for each, _ in page] == [key]
    assert abs(datetime.now(UTC) - page[0][1]) < timedelta(hours=1)
