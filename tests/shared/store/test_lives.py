"""Another life for a job, and its end for good: in the store and in its twin."""

import pytest

from shared.access.limits import Load, TenantLimits
from shared.errors import ClientIdTaken, JobNotFound, TenantLimitReached
from shared.ids import DEFAULT_TENANT, new_job_id
from shared.jobs.job import ClientName
from shared.jobs.spec import Priority
from shared.jobs.states import JobStatus, RenderState, Stage
from tests.shared.store.answers import all_deliveries
from tests.shared.store.builders import (
    A_LOT,
    AN_ATTEMPT,
    REVISION,
    WORKER_ID,
    a_spec,
    finish_next,
    message_id,
    submitted,
)
from tests.shared.store.world import World

ERROR = {"code": "test", "message": "", "stage": "ar"}


def fail_next(world: World) -> None:
    claim = world.leases.claim(Stage.AR, REVISION, WORKER_ID)
    assert claim
    world.leases.fail(claim.lease, ERROR)


def test_each_life_sends_a_webhook_of_its_own(world: World) -> None:
    job = submitted(world.jobs, webhook_url="https://a.example/")
    sent = []
    for _ in range(3):
        fail_next(world)
        sent += [name for name in all_deliveries(world) if name.startswith("evt_")]
        world.jobs.retry(world.job(job.job_id), None)
    assert sent == [f"{message_id(job.job_id, 'failed')}{life}" for life in ("", "_1", "_2")]


def test_what_was_to_be_delivered_of_an_earlier_life_is_taken_back(world: World) -> None:
    job = submitted(world.jobs, webhook_url="https://a.example/")
    fail_next(world)
    world.jobs.retry(world.job(job.job_id), None)
    assert all_deliveries(world) == []
    finish_next(world.leases)
    assert all_deliveries(world) == [job.job_id, f"{message_id(job.job_id, 'succeeded')}_1"]


def test_a_delivery_that_was_under_way_counts_no_more(world: World) -> None:
    job = submitted(world.jobs, webhook_url="https://a.example/")
    fail_next(world)
    late = world.manifests.claim()
    [late_webhook] = world.deliveries.claim(A_LOT)
    assert late
    world.jobs.retry(world.job(job.job_id), None)
    assert not world.manifests.written(late)
    assert not world.deliveries.delivered(late_webhook, AN_ATTEMPT)


def test_a_retried_job_waits_behind_what_came_before(world: World) -> None:
    job = submitted(world.jobs)
    fail_next(world)
    world.clock.advance(1)
    other = submitted(world.jobs)
    world.clock.advance(1)
    world.jobs.retry(world.job(job.job_id), None)
    claims = [world.leases.claim(Stage.AR, REVISION, WORKER_ID) for _ in range(2)]
    assert [claim and claim.job_id for claim in claims] == [other.job_id, job.job_id]


def test_a_job_cancelled_before_its_start_is_queued_again(world: World) -> None:
    job = submitted(world.jobs, n=2, priority=Priority.BATCH)
    world.jobs.cancel(job.job_id, DEFAULT_TENANT)
    revived = world.jobs.retry(world.job(job.job_id), None)
    assert revived.status is JobStatus.QUEUED
    assert [render.state for render in revived.renders] == [RenderState.QUEUED] * 2
    finish_next(world.leases)
    finish_next(world.leases)
    assert world.job(job.job_id).status is JobStatus.SUCCEEDED


def test_a_retry_keeps_to_the_limit_of_queued_renders(world: World) -> None:
    job = submitted(world.jobs, n=2)
    world.jobs.cancel(job.job_id, DEFAULT_TENANT)
    world.set_limits(DEFAULT_TENANT, TenantLimits(queued_renders=1))
    with pytest.raises(TenantLimitReached):
        world.jobs.retry(world.job(job.job_id), None)
    assert world.jobs.load(DEFAULT_TENANT) == Load(0, 0)
    assert world.job(job.job_id).status is JobStatus.CANCELLED


def test_a_deleted_job_is_told_of_no_more_and_its_name_is_free(world: World) -> None:
    name, job_id = ClientName("mine", "a"), new_job_id()
    world.jobs.submit(job_id, a_spec(), name=name)
    with pytest.raises(ClientIdTaken):
        world.jobs.submit(new_job_id(), a_spec(), name=ClientName("mine", "b"))
    assert world.jobs.submit(new_job_id(), a_spec(), name=name).job_id == job_id
    world.jobs.cancel(job_id, DEFAULT_TENANT)
    world.jobs.delete(job_id, DEFAULT_TENANT)
    with pytest.raises(JobNotFound):
        world.job(job_id)
    assert all_deliveries(world) == []
    assert world.jobs.submit(new_job_id(), a_spec(), name=name).job_id != job_id
