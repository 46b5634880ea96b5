"""Jobs as clients see them, over the real store."""

import pytest

from shared.errors import JobNotFound
from shared.ids import DEFAULT_TENANT, TenantId, new_job_id
from shared.states import JobStatus, RenderState, Stage
from shared.store.connect import Client
from shared.store.jobs import JobStore
from shared.store.leases import LeaseStore
from tests.store.builders import REVISION, RULES, a_spec, finish_next, submitted


def test_a_submitted_job_is_read_back_as_it_was_sent(store: JobStore) -> None:
    spec = a_spec(n=3, seed=2**53 - 2, metadata={"order": "17"}, webhook_url="http://127.0.0.1:1/x")
    job = store.submit(new_job_id(), spec)
    assert job.spec == spec
    assert job.status is JobStatus.QUEUED
    assert [render.seed for render in job.renders] == [2**53 - 2, 2**53 - 1, 0]
    assert {render.state for render in job.renders} == {RenderState.QUEUED}


def test_submitting_the_same_id_again_changes_nothing(store: JobStore) -> None:
    job_id = new_job_id()
    first = store.submit(job_id, a_spec(seed=1))
    assert store.submit(job_id, a_spec(n=4, seed=2)) == first


def test_another_tenants_job_is_not_found(store: JobStore) -> None:
    job = submitted(store)
    with pytest.raises(JobNotFound):
        store.job(job.job_id, TenantId("other"))
    with pytest.raises(JobNotFound):
        store.cancel(job.job_id, TenantId("other"))


def test_pages_are_newest_first_and_never_overlap(store: JobStore) -> None:
    jobs = [submitted(store).job_id for _ in range(5)]
    first = store.jobs(DEFAULT_TENANT, limit=3, after=None, status=None)
    second = store.jobs(DEFAULT_TENANT, limit=3, after=first[-1].job_id, status=None)
    assert [job.job_id for job in (*first, *second)] == sorted(jobs, reverse=True)


def test_a_status_filter_follows_the_job(store: JobStore, client: Client) -> None:
    job_id = submitted(store).job_id

    def statuses() -> list[JobStatus]:
        return [s for s in JobStatus if store.jobs(DEFAULT_TENANT, limit=9, after=None, status=s)]

    assert statuses() == [JobStatus.QUEUED]
    finish_next(client)
    assert statuses() == [JobStatus.SUCCEEDED]
    assert store.job(job_id, DEFAULT_TENANT).status is JobStatus.SUCCEEDED


def test_cancelling_ends_what_waits_and_what_runs_but_keeps_what_is_finished(store: JobStore, client: Client) -> None:
    job_id = submitted(store, n=3).job_id
    finish_next(client)
    LeaseStore(client, RULES).claim(Stage.AR, REVISION)
    job = store.cancel(job_id, DEFAULT_TENANT)
    assert [render.state for render in job.renders] == ["succeeded", "cancelled", "cancelled"]
    assert job.status is JobStatus.CANCELLED
    assert store.cancel(job_id, DEFAULT_TENANT) == job


def test_the_event_stream_tells_every_arrow_and_ends_once(store: JobStore, client: Client) -> None:
    job_id = submitted(store).job_id
    finish_next(client)
    store.cancel(job_id, DEFAULT_TENANT)
    events = store.events(job_id, after="0", block_s=0.01)
    told = [event.data.get("state", event.type) for event in events]
    assert told == ["job.queued", "prior_running", "prior_ready", "decode_running", "succeeded", "job.succeeded"]
    assert store.events(job_id, after=events[2].event_id, block_s=0.01) == events[3:]
    assert store.events(job_id, after=events[-1].event_id, block_s=0.01) == []
