"""Content checks in the store: leased, decided once, never passed by, and nothing readable before they end."""

import json
from collections.abc import Callable
from datetime import date
from typing import cast

import pytest

from shared.errors import JobNotRetryable
from shared.ids import DEFAULT_TENANT, ObjectKey, TenantId, WorkerId
from shared.jobs.job import EndedIn, Job, Picture
from shared.jobs.leases import Claim
from shared.jobs.spec import Priority
from shared.jobs.states import JobStatus, RenderState, Stage
from shared.jobs.usage import usage_of
from shared.store.checks.checks import CheckClaim, CheckStore
from shared.store.core.connect import Client
from shared.store.core.scripts import Scripts
from shared.store.enhancements.enhancements import EnhancementStore
from shared.store.jobs.jobs import JobStore
from shared.store.queues.upkeep import UpkeepStore
from shared.store.renders.handovers import HandoverStore
from shared.store.renders.leases import LeaseStore
from shared.store.usage.usage import UsageStore
from tests.shared.store.builders import REVISION, RULES, WORKER_ID, a_picture, a_prior, submitted
from tests.shared.store.clocks import StoreClock

LEASE_S = 25.0
ERROR = {"code": "content_rejected", "message": "refused", "stage": None, "retryable": False}
OBJECTS = {
    "jobs/a/0000/h/image.png",
    "jobs/a/0000/h/manifest.json",
    "jobs/a/0000/h/prior.gpg",
}


@pytest.fixture
def clock(client: Client, still_clock: None) -> StoreClock:
    return StoreClock(client)


@pytest.fixture
def jobs(client: Client, clock: StoreClock) -> JobStore:
    return JobStore(client, checks_prompts=True)


@pytest.fixture
def unchecked_jobs(client: Client, clock: StoreClock) -> JobStore:
    return JobStore(client)


@pytest.fixture
def checks(client: Client) -> CheckStore:
    return CheckStore(client, LEASE_S)


@pytest.fixture
def leases(client: Client) -> LeaseStore:
    return LeaseStore(client, RULES)


def begun(leases: LeaseStore, stage: Stage = Stage.AR) -> Claim | None:
    return leases.claim(stage, REVISION, WORKER_ID)


def claimed(checks: CheckStore) -> CheckClaim:
    found = checks.claim()
    assert found
    return found


def to_check(leases: LeaseStore) -> Claim:
    """Renders the next picture up to the point at which it is to be checked."""
    prior = begun(leases)
    assert prior
    leases.finish_prior(prior.lease, a_prior())
    decode = begun(leases, Stage.DIT)
    assert decode
    folder = "jobs/a/0000/h"
    keys = (ObjectKey(f"{folder}/image.png"), ObjectKey(f"{folder}/manifest.json"))
    assert not leases.finish_picture(decode.lease, Picture(*keys, "0" * 64, 123, "image/png"), to_check=True)
    return decode


def job_of(client: Client, job: Job) -> Job:
    return JobStore(client).job_of_any_tenant(job.job_id)


def test_a_job_waits_for_the_check_of_its_prompt_and_then_for_ar(
    jobs: JobStore, checks: CheckStore, leases: LeaseStore
) -> None:
    job = submitted(jobs, 2)
    assert begun(leases) is None
    claim = claimed(checks)
    assert (claim.entry, claim.job_id, claim.spec, claim.attempt) == (job.job_id, job.job_id, job.spec, 1)
    assert (claim.picture, claim.index, claim.revised_prompt) == (None, None, None)
    assert checks.claim() is None
    assert checks.allow(claim)
    assert begun(leases)
    assert begun(leases)
    assert checks.claim() is None


def test_without_a_hook_no_job_has_anything_to_do_with_checks(
    unchecked_jobs: JobStore, checks: CheckStore, leases: LeaseStore, client: Client
) -> None:
    job = submitted(unchecked_jobs)
    assert begun(leases)
    assert checks.claim() is None
    assert not client.hexists(f"gridpress:job:{job.job_id}", "check")


def test_a_rejected_prompt_ends_its_job_before_the_first_stage(
    jobs: JobStore, checks: CheckStore, leases: LeaseStore, client: Client
) -> None:
    job = submitted(jobs, 2, webhook_url="https://a.example/")
    assert checks.reject(claimed(checks), ERROR)
    ended = job_of(client, job)
    assert ended.status is JobStatus.REJECTED
    assert [(each.state, each.error, each.ended_in) for each in ended.renders] == [
        (RenderState.REJECTED, ERROR, EndedIn.BEFORE_START)
    ] * 2
    assert ended.finished_at
    assert begun(leases) is None
    assert [event.type for event in jobs.events(job.job_id, after="0")][-1] == "job.rejected"
    assert client.exists(f"gridpress:message:evt_{job.job_id.removeprefix('job_')}_job_rejected")
    assert jobs.load(DEFAULT_TENANT).queued == 0


def test_the_enhanced_prompt_is_checked_after_its_enhancement(
    jobs: JobStore, checks: CheckStore, leases: LeaseStore, client: Client
) -> None:
    submitted(jobs, enhance_prompt=True)
    assert checks.claim() is None
    enhancements = EnhancementStore(client, LEASE_S)
    found = enhancements.claim()
    assert found
    enhancements.succeed(found, "a red kite over a bay")
    assert begun(leases) is None
    claim = claimed(checks)
    assert claim.revised_prompt == "a red kite over a bay"
    assert checks.allow(claim)
    drawn = begun(leases)
    assert drawn
    assert drawn.settings.prompt == "a red kite over a bay"


@pytest.mark.parametrize("how", ["allow", "reject", "fail"])
def test_a_killed_workers_check_is_repeated_and_the_dead_decide_nothing(
    jobs: JobStore, checks: CheckStore, leases: LeaseStore, client: Client, clock: StoreClock, how: str
) -> None:
    job = submitted(jobs)
    dead = claimed(checks)
    clock.advance(LEASE_S)
    second = claimed(checks)
    assert second.attempt == 2
    assert not (checks.allow(dead) if how == "allow" else getattr(checks, how)(dead, ERROR))
    assert job_of(client, job).status is JobStatus.QUEUED
    assert begun(leases) is None
    assert checks.allow(second)
    assert not checks.reject(second, ERROR), "decided once"
    assert begun(leases)


def test_the_checks_of_a_worker_that_was_seen_to_end_are_due_at_once(
    jobs: JobStore, unchecked_jobs: JobStore, leases: LeaseStore, client: Client
) -> None:
    submitted(unchecked_jobs)
    to_check(leases)
    submitted(jobs)
    dying = CheckStore(client, LEASE_S, WorkerId("delivery-1"))
    first = [claimed(dying).entry, claimed(dying).entry]
    others = CheckStore(client, LEASE_S, WorkerId("delivery-2"))
    assert others.claim() is None
    UpkeepStore(client).take_back(WorkerId("delivery-1"), 5)
    assert sorted([claimed(others).entry, claimed(others).entry]) == sorted(first)


def test_a_cancelled_job_leaves_the_checks_and_a_late_verdict_does_nothing(
    jobs: JobStore, checks: CheckStore, leases: LeaseStore, client: Client, clock: StoreClock
) -> None:
    leased, waiting = submitted(jobs), submitted(jobs)
    claim = claimed(checks)
    for each in (leased, waiting):
        jobs.cancel(each.job_id, DEFAULT_TENANT)
    assert not checks.allow(claim)
    clock.advance(LEASE_S)
    assert checks.claim() is None
    assert begun(leases) is None
    assert not UpkeepStore(client).has_work()


def test_a_prompt_that_was_never_allowed_is_checked_again_by_every_retry(
    jobs: JobStore, checks: CheckStore, leases: LeaseStore, client: Client
) -> None:
    job = submitted(jobs, 2)
    assert checks.fail(claimed(checks), ERROR)
    assert job_of(client, job).status is JobStatus.FAILED
    jobs.retry(job_of(client, job), None)
    assert begun(leases) is None
    jobs.cancel(job.job_id, DEFAULT_TENANT)
    jobs.retry(job_of(client, job), None)
    assert begun(leases) is None
    assert checks.allow(claimed(checks))
    assert begun(leases)
    jobs.cancel(job.job_id, DEFAULT_TENANT)
    jobs.retry(job_of(client, job), None)
    assert checks.claim() is None, "an allowed prompt stays allowed"
    assert begun(leases)


def test_a_rejected_job_is_not_retried(jobs: JobStore, checks: CheckStore, client: Client) -> None:
    job = submitted(jobs)
    checks.reject(claimed(checks), ERROR)
    with pytest.raises(JobNotRetryable):
        jobs.retry(job_of(client, job), None)


def test_a_start_timeout_counts_the_time_of_the_check(
    jobs: JobStore, checks: CheckStore, client: Client, clock: StoreClock
) -> None:
    job = submitted(jobs, start_timeout_s=5)
    claim = claimed(checks)
    clock.advance(5)
    UpkeepStore(client).expire()
    assert job_of(client, job).status is JobStatus.EXPIRED
    assert not checks.allow(claim)


def test_a_lower_class_waits_longer_but_not_for_ever(jobs: JobStore, checks: CheckStore, clock: StoreClock) -> None:
    batch = submitted(jobs, priority=Priority.BATCH)
    clock.advance(1)
    early = submitted(jobs)
    clock.advance(Priority.BATCH.handicap_s)
    late = submitted(jobs)
    assert [claimed(checks).entry for _ in range(3)] == [early.job_id, batch.job_id, late.job_id]


def test_nobody_sees_a_picture_before_its_check(
    unchecked_jobs: JobStore, checks: CheckStore, leases: LeaseStore, client: Client
) -> None:
    job = submitted(unchecked_jobs, webhook_url="https://a.example/")
    decode = to_check(leases)
    waiting = job_of(client, job)
    assert (waiting.status, waiting.renders[0].state) == (JobStatus.RUNNING, RenderState.CHECKING)
    assert waiting.renders[0].picture is None
    assert unchecked_jobs.load(DEFAULT_TENANT).running == 1
    assert begun(leases, Stage.DIT) is None
    claim = claimed(checks)
    assert (claim.entry, claim.index) == (decode.render_id, 0)
    assert claim.picture
    assert checks.allow(claim)
    done = job_of(client, job)
    assert done.status is JobStatus.SUCCEEDED
    assert done.renders[0].picture == claim.picture
    assert done.renders[0].decoded_at
    assert HandoverStore(client).ended(10) == []
    assert unchecked_jobs.load(DEFAULT_TENANT).running == 0


def test_a_lost_lease_does_not_make_a_picture_readable(
    unchecked_jobs: JobStore, checks: CheckStore, leases: LeaseStore, client: Client, clock: StoreClock
) -> None:
    job = submitted(unchecked_jobs)
    to_check(leases)
    dead = claimed(checks)
    clock.advance(LEASE_S)
    second = claimed(checks)
    assert (second.entry, second.attempt) == (dead.entry, 2)
    assert not checks.allow(dead)
    assert job_of(client, job).renders[0].picture is None
    assert checks.reject(second, ERROR)
    assert not checks.allow(second)
    assert job_of(client, job).status is JobStatus.REJECTED


def rejected(checks: CheckStore, jobs: JobStore, job: Job, claim: CheckClaim, clock: StoreClock) -> None:
    assert checks.reject(claim, ERROR)


def failed(checks: CheckStore, jobs: JobStore, job: Job, claim: CheckClaim, clock: StoreClock) -> None:
    assert checks.fail(claim, ERROR)


def cancelled(checks: CheckStore, jobs: JobStore, job: Job, claim: CheckClaim, clock: StoreClock) -> None:
    jobs.cancel(job.job_id, DEFAULT_TENANT)
    assert not checks.allow(claim)


def expired(checks: CheckStore, jobs: JobStore, job: Job, claim: CheckClaim, clock: StoreClock) -> None:
    clock.advance(20)
    UpkeepStore(jobs._client).expire()
    assert not checks.allow(claim)


@pytest.mark.parametrize("end", [rejected, failed, cancelled, expired])
def test_a_picture_that_was_not_allowed_is_deleted_and_never_readable(
    unchecked_jobs: JobStore,
    checks: CheckStore,
    leases: LeaseStore,
    client: Client,
    clock: StoreClock,
    end: Callable[..., None],
) -> None:
    job = submitted(unchecked_jobs, execution_timeout_s=20)
    to_check(leases)
    end(checks, unchecked_jobs, job, claimed(checks), clock)
    ended = job_of(client, job)
    assert ended.status == end.__name__
    assert (ended.renders[0].picture, ended.renders[0].ended_in) == (None, EndedIn.DIT)
    assert set(HandoverStore(client).ended(10)) == OBJECTS
    assert checks.claim() is None
    record = cast("dict[str, str]", client.hgetall(f"gridpress:render:{ended.renders[0].render_id}"))
    assert "unchecked" not in record
    assert ("prior" in record) == (end is not rejected), "a retry starts from the token grid"


def test_a_retry_after_a_failed_check_renders_and_checks_the_picture_again(
    unchecked_jobs: JobStore, checks: CheckStore, leases: LeaseStore, client: Client
) -> None:
    job = submitted(unchecked_jobs)
    to_check(leases)
    checks.fail(claimed(checks), ERROR)
    unchecked_jobs.retry(job_of(client, job), None)
    decode = begun(leases, Stage.DIT)
    assert decode
    folder = ObjectKey("jobs/a/0000/again/image.png")
    leases.finish_picture(decode.lease, Picture(folder, folder, "1" * 64, 1, "image/png"), to_check=True)
    assert checks.allow(claimed(checks))
    assert job_of(client, job).status is JobStatus.SUCCEEDED


def test_one_rejected_picture_makes_the_job_rejected_and_leaves_the_others(
    unchecked_jobs: JobStore, checks: CheckStore, leases: LeaseStore, client: Client
) -> None:
    job = submitted(unchecked_jobs, 2)
    to_check(leases)
    to_check(leases)
    assert checks.reject(claimed(checks), ERROR)
    assert job_of(client, job).status is JobStatus.RUNNING
    assert checks.allow(claimed(checks))
    ended = job_of(client, job)
    assert ended.status is JobStatus.REJECTED
    assert sorted(each.state for each in ended.renders) == [RenderState.REJECTED, RenderState.SUCCEEDED]
    assert ended.error == ERROR
    assert [each.job_id for each in unchecked_jobs.jobs(DEFAULT_TENANT, limit=10, after=None)] == [job.job_id]


def test_the_end_of_one_tenants_checks_leaves_another_tenants_alone(
    jobs: JobStore, checks: CheckStore, leases: LeaseStore, client: Client
) -> None:
    mine, theirs = submitted(jobs, tenant=TenantId("mine")), submitted(jobs, tenant=TenantId("theirs"))
    claims = {claim.job_id: claim for claim in (claimed(checks), claimed(checks))}
    assert checks.reject(claims[mine.job_id], ERROR)
    assert checks.allow(claims[theirs.job_id])
    assert job_of(client, theirs).status is JobStatus.QUEUED
    drawn = begun(leases)
    assert drawn
    assert drawn.job_id == theirs.job_id


@pytest.mark.parametrize("broken", [{"lane": "nonsense"}, {"spec": ""}, {"n": "many"}])
def test_a_broken_record_does_not_block_the_checks_behind_it(
    jobs: JobStore, checks: CheckStore, client: Client, broken: dict[str, str]
) -> None:
    first, second = submitted(jobs), submitted(jobs)
    client.hset(f"gridpress:job:{first.job_id}", mapping=broken)
    assert claimed(checks).job_id == second.job_id
    assert checks.claim() is None
    is_failed = client.hget(f"gridpress:job:{first.job_id}", "status") == "failed"
    assert is_failed or client.zcard("gridpress:aside") == 1


def test_waiting_checks_are_unfinished_work(jobs: JobStore, client: Client, checks: CheckStore) -> None:
    submitted(jobs)
    upkeep = UpkeepStore(client)
    assert upkeep.has_work()
    assert Scripts(client).run("not_begun") == 1
    checks.reject(claimed(checks), ERROR)
    assert not upkeep.has_work()


def test_the_error_of_a_job_is_the_one_of_its_rejected_picture(
    unchecked_jobs: JobStore, checks: CheckStore, leases: LeaseStore, client: Client
) -> None:
    job = submitted(unchecked_jobs, 2)
    first = begun(leases)
    assert first
    leases.fail(first.lease, {"code": "nan_pixels", "message": "no", "stage": "ar", "retryable": False})
    to_check(leases)
    checks.reject(claimed(checks), ERROR)
    assert job_of(client, job).error == ERROR
    assert json.dumps(job_of(client, job).renders[first.index].error)


@pytest.mark.parametrize(("how", "num_pictures"), [("allow", 1), ("reject", 0), ("fail", 0)])
def test_only_an_allowed_picture_counts_in_the_usage_and_only_once(
    unchecked_jobs: JobStore, checks: CheckStore, leases: LeaseStore, client: Client, how: str, num_pictures: int
) -> None:
    submitted(unchecked_jobs)
    prior = begun(leases)
    assert prior
    leases.finish_prior(prior.lease, a_prior())
    decode = begun(leases, Stage.DIT)
    assert decode
    leases.finish_picture(decode.lease, a_picture(), usage_of(decode, a_picture(), 1.5), to_check=True)

    def counted() -> int:
        rows = UsageStore(client).rows(DEFAULT_TENANT, date(2020, 1, 1), date(2040, 1, 1))
        return sum(row.amounts.pictures for row in rows)

    assert counted() == 0
    claim = claimed(checks)
    for is_first in (True, False):
        assert (checks.allow(claim) if how == "allow" else getattr(checks, how)(claim, ERROR)) is is_first
        assert counted() == num_pictures
