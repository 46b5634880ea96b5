"""Jobs as clients see them, over the real store and its twin."""

import pytest

from shared.errors import JobNotFound
from shared.hints.queues import Queue
from shared.ids import DEFAULT_TENANT, TenantId, new_job_id
from shared.jobs.leases import Progress, RenderReport
from shared.jobs.states import JobStatus, RenderState, Stage
from shared.store.jobs.filter import JobFilter
from shared.store.renders.leases import Announcement
from tests.shared.store.builders import REVISION, WORKER_ID, a_spec, finish_next, submitted
from tests.shared.store.world import World


def test_a_submitted_job_is_read_back_as_it_was_sent(world: World) -> None:
    spec = a_spec(n=3, seed=2**53 - 2, metadata={"order": "17"}, webhook_url="http://127.0.0.1:1/x")
    job = world.jobs.submit(new_job_id(), spec)
    assert job.spec == spec
    assert job.status is JobStatus.QUEUED
    assert [render.seed for render in job.renders] == [2**53 - 2, 2**53 - 1, 0]
    assert {render.state for render in job.renders} == {RenderState.QUEUED}


def test_submitting_the_same_id_again_changes_nothing(world: World) -> None:
    job_id = new_job_id()
    first = world.jobs.submit(job_id, a_spec(seed=1))
    assert world.jobs.submit(job_id, a_spec(n=4, seed=2)) == first


def test_another_tenants_job_is_not_found(world: World) -> None:
    job = submitted(world.jobs)
    with pytest.raises(JobNotFound):
        world.jobs.job(job.job_id, TenantId("other"))
    with pytest.raises(JobNotFound):
        world.jobs.cancel(job.job_id, TenantId("other"))


def test_pages_are_newest_first_and_never_overlap(world: World) -> None:
    jobs = [submitted(world.jobs).job_id for _ in range(5)]
    first = world.jobs.jobs(DEFAULT_TENANT, limit=3, after=None)
    second = world.jobs.jobs(DEFAULT_TENANT, limit=3, after=first[-1].job_id)
    assert [job.job_id for job in (*first, *second)] == sorted(jobs, reverse=True)


def test_a_status_filter_follows_the_job(world: World) -> None:
    job_id = submitted(world.jobs).job_id

    def statuses() -> list[JobStatus]:
        return [s for s in JobStatus if world.jobs.jobs(DEFAULT_TENANT, JobFilter(frozenset({s})), limit=9, after=None)]

    assert statuses() == [JobStatus.QUEUED]
    finish_next(world.leases)
    assert statuses() == [JobStatus.SUCCEEDED]
    assert world.jobs.job(job_id, DEFAULT_TENANT).status is JobStatus.SUCCEEDED


def test_cancelling_ends_what_waits_and_what_runs_but_keeps_what_is_finished(world: World) -> None:
    job_id = submitted(world.jobs, n=3).job_id
    finish_next(world.leases)
    world.leases.claim(Stage.AR, REVISION, WORKER_ID)
    job = world.jobs.cancel(job_id, DEFAULT_TENANT)
    assert [render.state for render in job.renders] == ["succeeded", "cancelled", "cancelled"]
    assert job.status is JobStatus.CANCELLED
    assert world.jobs.cancel(job_id, DEFAULT_TENANT) == job


def test_only_the_newest_progress_is_kept_until_the_job_ends(world: World) -> None:
    job = submitted(world.jobs, n=2)
    claim = world.leases.claim(Stage.AR, REVISION, WORKER_ID)
    assert claim
    worker = Announcement(WORKER_ID, Queue.AR, 4, REVISION)
    for done in range(3):
        world.leases.beat(worker, [RenderReport(claim.lease, Progress(done + 1, 9), in_step=True)])
    [step] = world.jobs.progress(job)
    assert (step.event_id, step.type) == ("", "render.progress")
    assert step.data == {"index": 0, "stage": "ar", "done": 3, "total": 9}
    assert [event.type for event in world.jobs.events(job.job_id, after="0")] == ["job.queued", "render.stage"]
    world.jobs.cancel(job.job_id, DEFAULT_TENANT)
    assert world.jobs.progress(job) == []


def test_the_event_stream_tells_every_arrow_and_ends_once(world: World) -> None:
    job_id = submitted(world.jobs).job_id
    finish_next(world.leases)
    world.jobs.cancel(job_id, DEFAULT_TENANT)
    events = world.jobs.events(job_id, after="0")
    told = [event.data.get("state", event.type) for event in events]
    assert told == ["job.queued", "prior_running", "prior_ready", "decode_running", "succeeded", "job.succeeded"]
    assert world.jobs.events(job_id, after=events[2].event_id) == events[3:]
    assert world.jobs.events(job_id, after=events[-1].event_id) == []
