"""The store of copies into tenants' buckets: webhooks wait for them, and a bucket that refuses delays no other."""

import pytest

from shared.errors import InvalidRequest
from shared.ids import DEFAULT_TENANT, JobId, TenantId
from shared.jobs.bucket_copy import BucketCopy, CopyStatus
from shared.jobs.job import Job
from shared.objects.tenant_bucket import TenantBucket
from shared.store.copies.buckets import BucketStore
from shared.store.copies.copies import CopyClaim, CopyRules, CopyStore
from shared.store.core.connect import Client
from shared.store.jobs.jobs import JobStore
from shared.store.queues.upkeep import UpkeepStore
from shared.store.renders.leases import LeaseStore
from shared.store.webhooks.deliveries import DeliveryStore
from shared.store.webhooks.manifests import ManifestStore
from tests.shared.store.builders import A_LOT, DELIVERY_RULES, RULES, finish_next, message_id, submitted
from tests.shared.store.clocks import StoreClock

ACME, GLOBEX = TenantId("acme"), TenantId("globex")
COPY_RULES = CopyRules(lease_ttl_s=30, concurrency=2, patience_s=3600)
FAILED = BucketCopy(CopyStatus.FAILED, error="there is no bucket")
HOOK = "https://a.example/hook"


@pytest.fixture
def clock(client: Client, still_clock: None) -> StoreClock:
    return StoreClock(client)


@pytest.fixture
def jobs(client: Client, clock: StoreClock) -> JobStore:
    return JobStore(client)


@pytest.fixture
def copies(client: Client) -> CopyStore:
    return CopyStore(client, COPY_RULES)


@pytest.fixture
def buckets(client: Client) -> BucketStore:
    found = BucketStore(client)
    for tenant in (ACME, GLOBEX):
        found.save(TenantBucket(tenant, f"{tenant}-pictures"))
    return found


def ended(jobs: JobStore, client: Client, tenant: TenantId = ACME) -> Job:
    """A job with a picture and a `webhook_url`."""
    job = submitted(jobs, tenant=tenant, webhook_url=HOOK)
    finish_next(LeaseStore(client, RULES))
    return job


def due_messages(client: Client) -> list[str]:
    return [str(each.message_id) for each in DeliveryStore(client, DELIVERY_RULES).claim(A_LOT)]


def claimed(copies: CopyStore, job: Job) -> CopyClaim:
    claim = copies.claim()
    assert claim
    assert claim.entry == job.job_id
    return claim


def copy_of(jobs: JobStore, job_id: JobId) -> BucketCopy | None:
    return jobs.job_of_any_tenant(job_id).bucket_copy


def test_the_webhook_waits_for_the_copy(
    jobs: JobStore, client: Client, copies: CopyStore, buckets: BucketStore
) -> None:
    job = ended(jobs, client)
    assert due_messages(client) == []
    assert copy_of(jobs, job.job_id) == BucketCopy(CopyStatus.PENDING)
    claim = claimed(copies, job)
    assert (claim.tenant, claim.place.bucket, claim.is_limited) == (ACME, "acme-pictures", False)
    assert claim.job
    assert copies.claim() is None
    assert copies.finish(claim, "copied", "s3://acme-pictures/jobs/x/")
    assert not copies.finish(claim, "failed", "twice")
    assert due_messages(client) == [message_id(job.job_id, "succeeded")]
    assert copy_of(jobs, job.job_id) == BucketCopy(CopyStatus.COPIED, "s3://acme-pictures/jobs/x/")


def test_the_manifest_is_written_again_with_the_outcome(
    jobs: JobStore, client: Client, copies: CopyStore, buckets: BucketStore
) -> None:
    job = ended(jobs, client)
    manifests = ManifestStore(client, 30)
    first = manifests.claim()
    assert first
    manifests.written(first)
    assert manifests.claim() is None
    copies.finish(claimed(copies, job), "failed", "gone")
    again = manifests.claim()
    assert again
    assert again.job
    assert again.job.bucket_copy == BucketCopy(CopyStatus.FAILED, error="gone")


@pytest.mark.parametrize("has_bucket", [False, True])
def test_without_a_bucket_or_a_picture_nothing_waits(jobs: JobStore, client: Client, has_bucket: bool) -> None:
    if has_bucket:
        BucketStore(client).save(TenantBucket(ACME, "acme-pictures"))
        job = submitted(jobs, tenant=ACME, webhook_url=HOOK)
        jobs.cancel(job.job_id, ACME)
    else:
        job = ended(jobs, client)
    assert len(due_messages(client)) == 1
    assert copy_of(jobs, job.job_id) is None
    assert CopyStore(client, COPY_RULES).claim() is None


def test_a_bucket_that_refuses_is_tried_alone_with_growing_pauses(
    jobs: JobStore, client: Client, copies: CopyStore, buckets: BucketStore, clock: StoreClock
) -> None:
    asked = [ended(jobs, client).job_id for _ in range(3)]
    first, second = copies.claim(), copies.claim()
    assert first
    assert second
    assert copies.claim() is None  # the limit of one tenant
    copies.finish(first, "refused", "there is no bucket")
    copies.finish(second, "refused", "there is no bucket")
    health = buckets.health(ACME)
    assert (health.num_waiting, health.error) == (3, "there is no bucket")
    assert health.failing_since
    pauses = []
    for _ in range(3):
        waited = 0
        while (claim := copies.claim()) is None:
            clock.advance(1)
            waited += 1
        assert claim.is_limited
        assert copies.claim() is None
        assert copies.claim(may_be_limited=False) is None
        copies.finish(claim, "refused", "there is no bucket")
        pauses.append(waited)
    assert pauses == sorted(set(pauses))
    clock.advance(3600)
    claim = copies.claim(may_be_limited=True)
    assert claim is None  # all were given up
    assert due_messages(client)
    assert {each.bucket_copy for each in map(jobs.job_of_any_tenant, asked)} == {FAILED}
    assert buckets.health(ACME).num_waiting == 0


def test_a_bucket_that_refuses_delays_no_other_tenant(
    jobs: JobStore, client: Client, copies: CopyStore, buckets: BucketStore, clock: StoreClock
) -> None:
    for _ in range(2):
        ended(jobs, client, ACME)
    other = ended(jobs, client, GLOBEX)
    clock.advance(0.001)
    hanging = copies.claim(), copies.claim()
    assert {claim.tenant for claim in hanging if claim} == {ACME, GLOBEX}  # tenants take turns
    mine = next(claim for claim in hanging if claim and claim.tenant == ACME)
    copies.finish(mine, "refused", "it hangs")
    yours = next(claim for claim in hanging if claim and claim.tenant == GLOBEX)
    assert yours.entry == other.job_id
    copies.finish(yours, "copied", "s3://globex-pictures/jobs/x/")
    assert due_messages(client) == [message_id(other.job_id, "succeeded")]
    assert buckets.health(GLOBEX).error is None


def test_a_success_ends_the_pauses(
    jobs: JobStore, client: Client, copies: CopyStore, buckets: BucketStore, clock: StoreClock
) -> None:
    job = ended(jobs, client)
    copies.finish(claimed(copies, job), "refused", "away")
    clock.advance(5)
    claim = claimed(copies, job)
    assert claim.is_limited
    copies.finish(claim, "copied", "s3://acme-pictures/")
    assert buckets.health(ACME).error is None
    assert not claimed(copies, ended(jobs, client)).is_limited


def test_failures_of_the_service_itself_are_not_the_buckets(
    jobs: JobStore, client: Client, copies: CopyStore, buckets: BucketStore, clock: StoreClock
) -> None:
    job = ended(jobs, client)
    for _ in range(3):
        copies.finish(claimed(copies, job), "later", "our own store is away")
        assert copies.claim() is None
        clock.advance(5)
    assert buckets.health(ACME).error is None
    assert not claimed(copies, job).is_limited


def test_the_lease_of_a_dead_worker_ends(
    jobs: JobStore, client: Client, copies: CopyStore, buckets: BucketStore, clock: StoreClock
) -> None:
    job = ended(jobs, client)
    lost = claimed(copies, job)
    clock.advance(25)
    assert copies.renew(lost)
    clock.advance(25)
    assert copies.claim() is None
    clock.advance(10)
    assert claimed(copies, job)
    assert not copies.renew(lost)
    assert not copies.finish(lost, "copied", "s3://late/")
    assert copy_of(jobs, job.job_id) == BucketCopy(CopyStatus.PENDING)


@pytest.mark.parametrize("act", ["delete", "remove"])
def test_what_is_deleted_meanwhile_is_not_copied(
    jobs: JobStore, client: Client, copies: CopyStore, buckets: BucketStore, act: str
) -> None:
    job = ended(jobs, client)
    if act == "delete":
        jobs.delete(job.job_id, ACME)
    else:
        assert buckets.remove(ACME)
    claim = copies.claim()
    assert buckets.health(ACME).num_waiting == 0
    assert bool(claim and claim.deletion) == (act == "delete")
    assert client.zcard("gridpress:copy_tenants") == (act == "delete")
    if act == "remove":
        assert copy_of(jobs, job.job_id) == BucketCopy(CopyStatus.FAILED, error="the tenant has no bucket any more")
        assert len(due_messages(client)) == 1


def test_a_job_that_is_retried_is_copied_when_it_ends_again(
    jobs: JobStore, client: Client, copies: CopyStore, buckets: BucketStore
) -> None:
    job = submitted(jobs, n=2, tenant=ACME, webhook_url=HOOK)
    finish_next(LeaseStore(client, RULES))
    jobs.cancel(job.job_id, ACME)
    lost = claimed(copies, job)
    jobs.retry(jobs.job_of_any_tenant(job.job_id), None)
    assert copy_of(jobs, job.job_id) is None
    assert not copies.finish(lost, "copied", "s3://one/of/two/")
    assert copies.claim() is None
    finish_next(LeaseStore(client, RULES))
    copies.finish(claimed(copies, job), "copied", "s3://both/")
    assert copy_of(jobs, job.job_id) == BucketCopy(CopyStatus.COPIED, "s3://both/")
    assert due_messages(client) == [f"{message_id(job.job_id, 'succeeded')}_1"]


def test_a_job_is_not_purged_before_it_is_copied(
    jobs: JobStore, client: Client, copies: CopyStore, buckets: BucketStore, clock: StoreClock
) -> None:
    job = ended(jobs, client)
    client.zrem("gridpress:manifests", job.job_id)
    clock.advance(2)
    UpkeepStore(client).purge(1)
    assert jobs.job_of_any_tenant(job.job_id)


@pytest.mark.parametrize(
    ("one", "other", "overlaps"),
    [
        ("", "", True),
        ("", "a/", True),
        ("a/", "", True),
        ("a/", "a/b/", True),
        ("a/", "b/", False),
        ("a/", "ab/", False),
    ],
)
def test_no_tenant_gets_a_prefix_of_another(client: Client, one: str, other: str, overlaps: bool) -> None:
    buckets = BucketStore(client)
    buckets.save(TenantBucket(ACME, "shared", one))
    wanted = TenantBucket(GLOBEX, "shared", other)
    if overlaps:
        with pytest.raises(InvalidRequest) as refused:
            buckets.save(wanted)
        assert refused.value.field == "prefix"
        assert buckets.find(GLOBEX) is None
    else:
        buckets.save(wanted)
        assert buckets.find(GLOBEX) == wanted
    buckets.save(TenantBucket(GLOBEX, "shared", other, endpoint_url="https://elsewhere.example"))
    buckets.save(TenantBucket(ACME, "shared", one))  # its own is no hindrance
    assert buckets.find(DEFAULT_TENANT) is None
