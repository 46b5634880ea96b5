"""A deleted job takes its copy in the tenant's bucket with it, and a bucket that refuses delays no other deletion."""

from typing import Any, cast

import pytest

from shared.ids import JobId, TenantId
from shared.jobs.job import Job
from shared.objects.tenant_bucket import TenantBucket
from shared.store.copies.buckets import BucketStore
from shared.store.copies.copies import CopyClaim, CopyRules, CopyStore
from shared.store.copies.deletion import CopyDeletion
from shared.store.core.connect import Client
from shared.store.jobs.jobs import JobStore
from shared.store.jobs.kept import KeptJobs
from shared.store.queues.upkeep import UpkeepStore
from shared.store.renders.leases import LeaseStore
from tests.shared.store.builders import RULES, finish_next, submitted
from tests.shared.store.clocks import StoreClock

ACME, GLOBEX = TenantId("acme"), TenantId("globex")
BATCH = "batch_" + "0" * 26


@pytest.fixture
def clock(client: Client, still_clock: None) -> StoreClock:
    return StoreClock(client)


@pytest.fixture
def jobs(client: Client, clock: StoreClock) -> JobStore:
    return JobStore(client)


@pytest.fixture
def copies(client: Client) -> CopyStore:
    return CopyStore(client, CopyRules(lease_ttl_s=30, concurrency=2, patience_s=3600))


@pytest.fixture
def buckets(client: Client) -> BucketStore:
    found = BucketStore(client)
    for tenant in (ACME, GLOBEX):
        found.save(TenantBucket(tenant, f"{tenant}-pictures"))
    return found


def copied(jobs: JobStore, client: Client, copies: CopyStore, tenant: TenantId = ACME, **spec: Any) -> Job:
    """A job whose picture is in the bucket of its tenant."""
    job = submitted(jobs, tenant=tenant, **spec)
    finish_next(LeaseStore(client, RULES))
    claim = copies.claim()
    assert claim
    assert claim.entry == job.job_id
    assert copies.finish(claim, "copied", f"s3://{tenant}-pictures/jobs/{job.job_id}/")
    return job


def deleting(copies: CopyStore) -> CopyClaim:
    claim = copies.claim()
    assert claim
    assert claim.deletion
    return claim


def shrink(job: Job, client: Client, clock: StoreClock) -> None:
    """Makes an index entry of an ended job."""
    client.zrem("gridpress:manifests", job.job_id)
    clock.advance(2)
    UpkeepStore(client).purge(1)
    assert not client.exists(f"gridpress:job:{job.job_id}")


@pytest.mark.parametrize("way", ["request", "time", "request of a kept one", "time of a kept one"])
def test_a_deleted_job_takes_its_copy_with_it(
    jobs: JobStore, client: Client, copies: CopyStore, buckets: BucketStore, clock: StoreClock, way: str
) -> None:
    job = copied(jobs, client, copies, delete_after_s=60 if "time" in way else None)
    if "kept" in way:
        shrink(job, client, clock)
    assert copies.claim() is None
    if way == "request":
        jobs.delete(job.job_id, ACME)
    elif way == "request of a kept one":
        assert KeptJobs(client, cast("Any", None)).delete(job.job_id, ACME)
    else:
        clock.advance(61)
        UpkeepStore(client).delete_due_jobs()
    claim = deleting(copies)
    assert (claim.tenant, claim.deletion) == (ACME, CopyDeletion(job_id=job.job_id))
    assert buckets.health(ACME).num_deleting == 1
    assert copies.finish(claim, "deleted")
    assert copies.claim() is None
    clock.advance(600)  # for what a late worker wrote meanwhile
    assert copies.finish(deleting(copies), "deleted")
    assert buckets.health(ACME).num_deleting == 0
    clock.advance(600)
    assert copies.claim() is None
    assert not client.zcard("gridpress:copy_tenants")


def test_a_job_that_is_only_purged_leaves_its_copy(
    jobs: JobStore, client: Client, copies: CopyStore, buckets: BucketStore, clock: StoreClock
) -> None:
    shrink(copied(jobs, client, copies), client, clock)
    assert copies.claim() is None


def test_a_job_without_a_copy_leaves_nothing_to_delete(
    jobs: JobStore, client: Client, copies: CopyStore, buckets: BucketStore
) -> None:
    job = submitted(jobs, tenant=ACME)
    jobs.cancel(job.job_id, ACME)
    jobs.delete(job.job_id, ACME)
    assert copies.claim() is None


def test_a_copy_under_way_is_deleted_after_it_was_stopped(
    jobs: JobStore, client: Client, copies: CopyStore, buckets: BucketStore
) -> None:
    job = submitted(jobs, tenant=ACME)
    finish_next(LeaseStore(client, RULES))
    lost = copies.claim()
    assert lost
    jobs.delete(job.job_id, ACME)
    assert not copies.renew(lost)
    assert deleting(copies).deletion == CopyDeletion(job_id=job.job_id)


@pytest.mark.parametrize(
    ("entry", "deletion", "keys"),
    [
        ("delete|job_a", CopyDeletion(JobId("job_a")), []),
        (f"again|{BATCH}", CopyDeletion(batch_id=cast("Any", BATCH)), []),
        (
            f"delete|{BATCH}|1|a-1",
            CopyDeletion(None, cast("Any", BATCH), "a-1", 1),
            ["a-1.jpeg", "a-1.png", "a-1.webp"],
        ),
        (f"delete|{BATCH}|1|a|b\n", CopyDeletion(None, cast("Any", BATCH), "a|b\n", 1), None),
        ("job_a", None, None),
        (BATCH, None, None),
    ],
)
def test_an_entry_says_what_to_delete(entry: str, deletion: CopyDeletion | None, keys: list[str] | None) -> None:
    assert CopyDeletion.of_entry(entry) == deletion
    if deletion and keys is not None:
        place = TenantBucket(ACME, "acme-pictures", "p/")
        assert sorted(deletion.keys(place)) == [f"p/batches/{BATCH}/{name}" for name in keys]


def test_the_copies_of_a_line_are_named_by_its_custom_id(
    jobs: JobStore, client: Client, copies: CopyStore, buckets: BucketStore
) -> None:
    job = copied(jobs, client, copies)
    client.hset(f"gridpress:job:{job.job_id}", mapping={"copy_batch": BATCH, "copy_note": '{"custom_id": "a|1"}'})
    jobs.delete(job.job_id, ACME)
    assert deleting(copies).deletion == CopyDeletion(None, cast("Any", BATCH), "a|1", 1)


def test_a_bucket_that_refuses_delays_no_other_tenant_and_is_tried_until_it_works(
    jobs: JobStore, client: Client, copies: CopyStore, buckets: BucketStore, clock: StoreClock
) -> None:
    made = [(copied(jobs, client, copies, tenant).job_id, tenant) for tenant in (ACME, ACME, GLOBEX)]
    for job_id, tenant in made:
        jobs.delete(job_id, tenant)
    assert copies.finish(deleting(copies), "refused", "access denied")
    yours = deleting(copies)
    assert (yours.tenant, copies.finish(yours, "deleted")) == (GLOBEX, True)
    clock.advance(0.001)
    assert copies.claim() is None  # the other deletion of acme waits for its pause
    assert buckets.remove(GLOBEX)
    for _ in range(5):
        clock.advance(3600)  # longer than the patience with copies
        claim = deleting(copies)
        assert (claim.tenant, claim.is_limited) == (ACME, True)
        copies.finish(claim, "refused", "access denied")
    health = buckets.health(ACME)
    assert (health.num_deleting, health.error) == (2, "copies are not deleted: access denied")
    buckets.save(TenantBucket(ACME, "acme-pictures", access_key="mended", sealed_secret="x"))
    clock.advance(300)
    assert copies.finish(deleting(copies), "deleted")
    assert buckets.health(ACME).error is None


def test_copies_and_deletions_take_turns(
    jobs: JobStore, client: Client, copies: CopyStore, buckets: BucketStore, clock: StoreClock
) -> None:
    jobs.delete(copied(jobs, client, copies).job_id, ACME)
    clock.advance(1)
    job = submitted(jobs, tenant=ACME)
    finish_next(LeaseStore(client, RULES))
    first, second = copies.claim(), copies.claim()
    assert first
    assert second
    assert (bool(first.deletion), second.entry) == (True, job.job_id)


def test_without_the_bucket_nothing_can_be_deleted(
    jobs: JobStore, client: Client, copies: CopyStore, buckets: BucketStore, clock: StoreClock
) -> None:
    first, second = (copied(jobs, client, copies).job_id for _ in range(2))
    jobs.delete(first, ACME)
    under_way = deleting(copies)
    assert buckets.remove(ACME)
    jobs.delete(second, ACME)
    clock.advance(2)
    assert copies.claim() is None
    assert not copies.finish(under_way, "refused", "no such key")
    assert buckets.health(ACME).num_deleting == 0
    assert not client.zcard("gridpress:copy_tenants")
