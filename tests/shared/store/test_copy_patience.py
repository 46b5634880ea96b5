"""A copy is given up when its bucket has failed for too long, and not because it was queued long ago. What waits for
deletions delays no other copy.
"""

import pytest

from shared.jobs.bucket_copy import CopyStatus
from shared.store.copies import copies as copies_module
from shared.store.copies.buckets import BucketStore
from shared.store.copies.copies import CopyStore
from shared.store.core.connect import Client
from shared.store.jobs.jobs import JobStore
from tests.shared.store.clocks import StoreClock
from tests.shared.store.test_copies import ACME, COPY_RULES, buckets, claimed, clock, copies, copy_of, ended, jobs
from tests.shared.store.test_copy_limits import BATCH, MONTH_S, PATH, finished, limited_tenants, line_ended

__all__ = ["buckets", "clock", "copies", "jobs"]

OUTAGE_S = 2 * 3600


@pytest.mark.parametrize(("outcome", "slow_s"), [("refused", 0.0), ("refused", 20.0), ("copied", 20.0)])
def test_the_patience_begins_when_the_bucket_fails_and_not_in_an_outage_of_the_service(
    jobs: JobStore, client: Client, buckets: BucketStore, clock: StoreClock, outcome: str, slow_s: float
) -> None:
    given_up = list[int]()
    copies = CopyStore(client, COPY_RULES, on_given_up=given_up.append)
    waiting = [ended(jobs, client).job_id for _ in range(4)]
    clock.advance(OUTAGE_S)
    for number in range(3):
        claim = copies.claim()
        assert claim
        assert copies.finish(claim, outcome, "away", slow_s=slow_s)  # type: ignore[arg-type]
        clock.advance(4 << number)
    assert given_up == []
    clock.advance(3600)
    assert copies.claim() is None
    found = [copy_of(jobs, job_id) for job_id in waiting]
    num_failed = sum(each is not None and each.status is CopyStatus.FAILED for each in found)
    assert num_failed == sum(given_up) == (4 if outcome == "refused" else 1)


def test_the_patience_with_deletions_begins_when_they_fail(
    jobs: JobStore, client: Client, copies: CopyStore, buckets: BucketStore, clock: StoreClock
) -> None:
    client.zadd("gridpress:copy_deletions:acme", {f"delete|{PATH}": clock.now_ms()})
    retried = line_ended(jobs, client, 1)
    clock.advance(OUTAGE_S)
    finished(copies, f"delete|{PATH}", "refused")
    clock.advance(2)
    finished(copies, f"delete|{PATH}", "refused")
    assert copy_of(jobs, retried).status is CopyStatus.PENDING  # type: ignore[union-attr]
    clock.advance(3600)
    copies.claim()
    assert copy_of(jobs, retried).status is CopyStatus.FAILED  # type: ignore[union-attr]


def test_a_day_of_the_services_own_failures_begins_with_the_first_of_them(
    jobs: JobStore, client: Client, copies: CopyStore, buckets: BucketStore, clock: StoreClock
) -> None:
    job = ended(jobs, client)
    clock.advance(MONTH_S)
    copies.finish(claimed(copies, job), "later", "our own store is away")
    clock.advance(5)
    assert claimed(copies, job)


def test_a_copy_that_is_refused_alone_is_given_up(
    jobs: JobStore, client: Client, buckets: BucketStore, clock: StoreClock
) -> None:
    given_up = list[int]()
    copies = CopyStore(client, COPY_RULES, on_given_up=given_up.append)
    refused, num = ended(jobs, client), 0
    while not given_up:
        ended(jobs, client)
        for _ in range(2):
            if claim := copies.claim():
                is_it = claim.entry == refused.job_id
                copies.finish(claim, "refused" if is_it else "copied", "too large")
            clock.advance(300)
        num += 1
        assert num <= 10
    assert copy_of(jobs, refused.job_id).error == "too large"  # type: ignore[union-attr]
    assert num >= 6  # an hour


def wait_for_deletions(client: Client, clock: StoreClock, num: int) -> None:
    """As if `num` lines of a batch were retried, whose earlier pictures the bucket does not delete."""
    pipeline, now_ms = client.pipeline(), clock.now_ms()
    for number in range(num):
        name = f"waiting-{number}"
        note = f'{{"custom_id": "{name}"}}'
        pipeline.hset(
            f"gridpress:job:{name}", mapping={"copy": "pending", "n": 1, "copy_batch": BATCH, "copy_note": note}
        )
        pipeline.hset(f"gridpress:job:{name}", "copy_since_ms", now_ms)
        pipeline.zadd("gridpress:copies:acme", {name: now_ms})
        pipeline.zadd("gridpress:copy_deletions:acme", {f"delete|{BATCH}|1|{name}": now_ms})
    state = {"delete_strikes": 9, "delete_resumes_ms": now_ms + 300_000, "delete_failing_since_ms": now_ms}
    pipeline.hset("gridpress:copy_state:acme", mapping=state)
    pipeline.zadd("gridpress:copy_tenants", {"acme": now_ms})
    pipeline.execute()


def test_copies_that_wait_for_deletions_delay_no_others(
    jobs: JobStore, client: Client, copies: CopyStore, buckets: BucketStore, clock: StoreClock
) -> None:
    wait_for_deletions(client, clock, 600)
    clock.advance(1)
    good, looks = ended(jobs, client), 0
    while (claim := copies.claim()) is None:
        assert client.zscore("gridpress:copy_tenants", "acme") >= clock.now_ms() + 1000  # type: ignore[operator]
        clock.advance(1)
        looks += 1
        assert looks <= 4
    assert claim.entry == good.job_id
    assert copies.finish(claim, "copied", "s3://acme/")
    finished(copies, ended(jobs, client).job_id)  # those that wait are put off until the deletions are tried again
    clock.advance(300)
    deletion = copies.claim()
    assert deletion
    assert deletion.is_deletion


@pytest.mark.parametrize("has_retry", [False, True])
def test_a_deletion_whose_worker_ends_pauses_as_one_that_is_refused(
    jobs: JobStore, client: Client, copies: CopyStore, buckets: BucketStore, clock: StoreClock, has_retry: bool
) -> None:
    first = line_ended(jobs, client, 0)
    finished(copies, first)
    jobs.delete(first, ACME)
    for number in range(3):
        lost = copies.claim()
        assert lost
        assert (lost.entry, lost.is_limited) == (f"delete|{PATH}", number > 0)
        if has_retry and number == 0:
            line_ended(jobs, client, 1)
        clock.advance(COPY_RULES.lease_ttl_s)
        assert copies.claim() is None
        clock.advance(59)
        assert copies.claim() is None
        clock.advance(2)
    assert buckets.health(ACME).error == "copies are not deleted: the worker that deleted them ended"


def test_a_claim_comes_to_an_end_and_the_next_one_goes_on(
    jobs: JobStore, client: Client, copies: CopyStore, buckets: BucketStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(copies_module, "_MOST_CALLS", 2)
    limited_tenants(client, 45)
    job = ended(jobs, client)
    assert copies.claim(may_be_limited=False) is None
    claim = copies.claim(may_be_limited=False)
    assert claim
    assert claim.entry == job.job_id


def test_a_claim_stops_when_the_worker_does(
    jobs: JobStore, client: Client, copies: CopyStore, buckets: BucketStore
) -> None:
    limited_tenants(client, 45)
    asked = list[int]()

    def stops() -> bool:
        asked.append(1)
        return len(asked) == 2

    assert copies.claim(may_be_limited=False, stops=stops) is None
    assert len(asked) == 2
