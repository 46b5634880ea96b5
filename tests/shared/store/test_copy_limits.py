"""Copies that are slow, cut short or stuck hold up neither webhooks nor other tenants, and deletions not copies."""

import pytest

from shared.batches.batch import BatchId, line_job_id, round_of_line
from shared.ids import JobId
from shared.jobs.bucket_copy import CopyStatus
from shared.store.copies.buckets import BucketStore
from shared.store.copies.copies import CopyClaim, CopyRules, CopyStore
from shared.store.copies.deletion import CopyDeletion
from shared.store.core.connect import Client
from shared.store.jobs.jobs import JobStore
from shared.store.renders.leases import LeaseStore
from tests.shared.store.builders import RULES, a_spec, finish_next, message_id
from tests.shared.store.clocks import StoreClock
from tests.shared.store.test_copies import (
    ACME,
    COPY_RULES,
    GLOBEX,
    HOOK,
    buckets,
    claimed,
    clock,
    copies,
    copy_of,
    due_messages,
    ended,
    jobs,
)

__all__ = ["buckets", "clock", "copies", "jobs"]

BATCH = BatchId("batch_01h" + "0" * 23)
PATH = f"{BATCH}|1|line-7"
MONTH_S = 30 * 86400


def line_ended(jobs: JobStore, client: Client, round_: int) -> JobId:
    """The job of a line of `BATCH`, with a picture and a copy that is due."""
    job_id = line_job_id(BATCH, round_, 7)
    jobs.submit(job_id, a_spec(1, tenant=ACME, webhook_url=HOOK))
    client.hset(f"gridpress:batch:{BATCH}", "round", round_)
    finish_next(LeaseStore(client, RULES))
    client.hset(f"gridpress:job:{job_id}", mapping={"copy_batch": BATCH, "copy_note": '{"custom_id": "line-7"}'})
    return job_id


def finished(copies: CopyStore, entry: str, outcome: str = "copied") -> CopyClaim:
    claim = copies.claim()
    assert claim
    assert claim.entry == entry
    assert copies.finish(claim, outcome, "s3://somewhere/")  # type: ignore[arg-type]
    return claim


def test_a_slow_bucket_gets_half_the_tries_and_only_threads_for_limited_ones(
    jobs: JobStore, client: Client, copies: CopyStore, buckets: BucketStore, clock: StoreClock
) -> None:
    for _ in range(4):
        ended(jobs, client)
    first, second = copies.claim(), copies.claim()
    assert first
    assert second
    assert copies.finish(first, "copied", "s3://acme/", slow_s=4.5)
    assert buckets.health(ACME).slow_s == 4.5
    assert copies.claim() is None  # one is still under way
    assert copies.finish(second, "copied", "s3://acme/", slow_s=4.5)
    clock.advance(1)
    assert copies.claim(may_be_limited=False) is None
    clock.advance(1)
    third = copies.claim()
    assert third
    assert third.is_limited
    yours = ended(jobs, client, GLOBEX)
    assert claimed(copies, yours)
    assert copies.finish(third, "copied", "s3://acme/")  # quick again
    assert buckets.health(ACME).slow_s is None
    clock.advance(1)
    fourth = copies.claim(may_be_limited=False)
    assert fourth
    assert not fourth.is_limited


@pytest.mark.parametrize("cause", ["refuses", "is slow"])
def test_a_webhook_waits_for_a_copy_no_longer_than_the_patience(
    jobs: JobStore, client: Client, buckets: BucketStore, clock: StoreClock, cause: str
) -> None:
    given_up = list[int]()
    copies = CopyStore(client, CopyRules(lease_ttl_s=7200, patience_s=3600), on_given_up=given_up.append)
    first, waiting = ended(jobs, client), ended(jobs, client)
    claim = claimed(copies, first)
    if cause == "refuses":
        assert copies.finish(claim, "refused", "away")
        clock.advance(3600)
    else:
        assert copies.finish(claim, "copied", "s3://acme/", slow_s=20.0)
        clock.advance(3600)
    clock.advance(2)
    assert copies.claim() is None
    assert sum(given_up) == (2 if cause == "refuses" else 1)
    found = copy_of(jobs, waiting.job_id)
    assert found
    assert (found.status, found.error) == (
        CopyStatus.FAILED,
        "away" if cause == "refuses" else "the bucket is slow: a request takes 20.0 s",
    )
    assert message_id(waiting.job_id, "succeeded") in due_messages(client)


def test_pauses_do_not_prolong_the_patience(
    jobs: JobStore, client: Client, buckets: BucketStore, clock: StoreClock
) -> None:
    given_up = list[int]()
    copies = CopyStore(client, COPY_RULES, on_given_up=given_up.append)
    job, waited_s = ended(jobs, client), 0
    while not given_up:
        if claim := copies.claim():
            copies.finish(claim, "refused", "away")
        clock.advance(30)
        waited_s += 30
    assert 3600 <= waited_s <= 3600 + 90  # there is a look each minute
    assert due_messages(client) == [message_id(job.job_id, "succeeded")]


def test_a_service_that_can_not_copy_keeps_no_webhook_for_ever(
    jobs: JobStore, client: Client, copies: CopyStore, buckets: BucketStore, clock: StoreClock
) -> None:
    job = ended(jobs, client)
    copies.finish(claimed(copies, job), "later", "our own store is away")
    clock.advance(3600 + 80000)
    copies.finish(claimed(copies, job), "later", "our own store is away")
    assert due_messages(client) == []
    clock.advance(6400)
    copies.finish(claimed(copies, job), "later", "our own store is away")
    assert due_messages(client) == [message_id(job.job_id, "succeeded")]
    assert buckets.health(ACME).error is None


def test_a_batch_waits_for_its_pictures_no_longer_than_the_patience(
    client: Client, copies: CopyStore, buckets: BucketStore, clock: StoreClock
) -> None:
    client.hset(
        f"gridpress:batch:{BATCH}",
        mapping={"tenant": ACME, "copy": "pending", "copies_left": 1, "copy_since_ms": clock.now_ms()},
    )
    client.zadd("gridpress:copies:acme", {BATCH: clock.now_ms()})
    client.zadd("gridpress:copy_tenants", {"acme": 0})
    assert copies.claim() is None
    clock.advance(3600)
    claim = copies.claim()
    assert claim
    assert claim.batch_id == BATCH


def test_a_copy_that_crashes_its_worker_is_tried_a_few_times(
    jobs: JobStore, client: Client, buckets: BucketStore, clock: StoreClock
) -> None:
    given_up = list[int]()
    copies = CopyStore(client, COPY_RULES, on_given_up=given_up.append)
    job, num = ended(jobs, client), 0
    while not given_up:
        num += copies.claim() is not None
        clock.advance(COPY_RULES.lease_ttl_s)
        assert num <= 5
    assert (num, given_up) == (5, [1])
    found = copy_of(jobs, job.job_id)
    assert found
    assert found.error == "it was cut short 5 times, because its worker ended"
    assert len(due_messages(client)) == 1


def test_deletions_that_are_refused_stop_no_copies_and_copies_no_deletions(
    jobs: JobStore, client: Client, copies: CopyStore, buckets: BucketStore, clock: StoreClock
) -> None:
    copied = ended(jobs, client)
    finished(copies, copied.job_id)
    jobs.delete(copied.job_id, ACME)
    for _ in range(3):  # a policy without DeleteObject
        finished(copies, f"delete|{copied.job_id}", "refused")
        assert not finished(copies, ended(jobs, client).job_id).is_limited
        clock.advance(600)
    assert buckets.health(ACME).error == "copies are not deleted: s3://somewhere/"
    assert buckets.num_refusing() == 1
    waiting = ended(jobs, client)
    first, second = copies.claim(), copies.claim()
    assert {each.entry for each in (first, second) if each} == {f"delete|{copied.job_id}", waiting.job_id}
    for each in (first, second):
        assert each
        copies.finish(each, "deleted" if each.deletion else "refused", "no")
    assert buckets.health(ACME).error == "no"


@pytest.mark.parametrize("entry", ["delete|", "again|nothing", "delete|batch_x|many|a", "again|job_a|b"])
def test_an_entry_that_nobody_can_read_is_taken_out(
    client: Client, copies: CopyStore, buckets: BucketStore, clock: StoreClock, entry: str
) -> None:
    client.zadd("gridpress:copy_deletions:acme", {entry: 0})
    client.zadd("gridpress:copy_tenants", {"acme": 0})
    claim = copies.claim()
    assert claim
    assert (claim.is_unreadable, claim.is_deletion, claim.log_ids["entry"]) == (True, True, entry)
    assert copies.finish(claim, "failed", "nobody can read it")
    clock.advance(MONTH_S)
    assert copies.claim() is None
    assert buckets.health(ACME).num_deleting == 0


@pytest.mark.parametrize("when", ["waits", "under way", "deleted once"])
def test_a_deletion_spares_the_pictures_of_a_retry(
    jobs: JobStore, client: Client, copies: CopyStore, buckets: BucketStore, clock: StoreClock, when: str
) -> None:
    first = line_ended(jobs, client, 0)
    finished(copies, first)
    jobs.delete(first, ACME)
    under_way = copies.claim() if when == "under way" else None
    if when == "deleted once":
        finished(copies, f"delete|{PATH}", "deleted")
    retried = line_ended(jobs, client, 1)
    if under_way:
        assert copies.claim() is None  # the deletion comes first
        copies.finish(under_way, "deleted")
    acts = list[str]()
    for _ in range(5):
        while claim := copies.claim():
            acts.append(claim.entry)
            copies.finish(claim, "deleted" if claim.deletion else "copied")
        clock.advance(1)
    assert acts == [*([f"delete|{PATH}"] if when == "waits" else []), f"again|{PATH}", retried]
    clock.advance(MONTH_S)
    assert copies.claim() is None


@pytest.mark.parametrize(
    ("state", "round_"), [("copied", 1), ("copied", 8), ("copied", 37), ("under way", 200), ("waiting", 1)]
)
def test_an_earlier_try_that_is_deleted_later_does_not_take_the_pictures_of_a_retry(
    jobs: JobStore, client: Client, copies: CopyStore, buckets: BucketStore, clock: StoreClock, state: str, round_: int
) -> None:
    first = line_ended(jobs, client, 0)
    finished(copies, first)
    retried = line_ended(jobs, client, round_)
    assert (round_of_line(first), round_of_line(retried)) == (0, round_)
    claim = None if state == "waiting" else copies.claim()
    if claim and state == "copied":
        copies.finish(claim, "copied", "s3://acme/")
    jobs.delete(first, ACME)
    clock.advance(1)
    if state == "waiting":  # nothing of the retry is written yet
        finished(copies, f"delete|{PATH}", "deleted")
    else:
        assert copies.claim() is None
        jobs.delete(retried, ACME)
        found = copies.claim()
        assert found
        assert found.deletion == CopyDeletion(None, BATCH, "line-7", 1)


def test_a_deletion_that_is_due_much_later_does_not_hold_up_the_copy_of_a_retry(
    jobs: JobStore, client: Client, copies: CopyStore, buckets: BucketStore, clock: StoreClock
) -> None:
    """As for a job with a `delete_after_s` that was purged before."""
    client.zadd("gridpress:copy_deletions:acme", {f"delete|{PATH}": clock.now_ms() + MONTH_S * 1000})
    retried, acts = line_ended(jobs, client, 1), list[str]()
    for _ in range(5):
        while claim := copies.claim():
            acts.append(claim.entry)
            copies.finish(claim, "deleted" if claim.deletion else "copied")
        clock.advance(1)
    assert acts == [f"delete|{PATH}", f"again|{PATH}", retried]


def limited_tenants(client: Client, num: int) -> None:
    """Tenants with a copy that is due and a bucket that is slow."""
    place, pipeline = client.hget("gridpress:buckets", "acme"), client.pipeline()
    for number in range(num):
        name = f"slow-{number}"
        pipeline.hset("gridpress:buckets", name, str(place))
        pipeline.hset(f"gridpress:copy_state:{name}", "slow_ms", 9000)
        pipeline.zadd(f"gridpress:copies:{name}", {f"job_{number}": 0})
        pipeline.zadd("gridpress:copy_tenants", {name: 0})
    pipeline.execute()


def test_many_tenants_who_have_to_wait_hold_up_no_other(
    jobs: JobStore, client: Client, copies: CopyStore, buckets: BucketStore
) -> None:
    limited_tenants(client, 45)
    job = ended(jobs, client)
    claim = copies.claim(may_be_limited=False)
    assert claim
    assert claim.entry == job.job_id
    assert copies.claim(may_be_limited=False) is None


def test_a_line_whose_batch_is_gone_leaves_no_record_of_it(
    jobs: JobStore, client: Client, copies: CopyStore, buckets: BucketStore
) -> None:
    job_id = line_job_id(BATCH, 0, 7)
    jobs.submit(job_id, a_spec(1, tenant=ACME))
    client.hset(f"gridpress:job:{job_id}", mapping={"batch": BATCH, "line": 7, "note": '{"custom_id": "line-7"}'})
    finish_next(LeaseStore(client, RULES))
    finished(copies, job_id)
    assert "copies_left" not in client.hgetall(f"gridpress:batch:{BATCH}")
