"""A real worker process that an operator drains: it empties itself, stays, claims again, and ends in order."""

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from shared.ids import DEFAULT_TENANT, WorkerId
from shared.jobs.job import Job
from shared.jobs.states import RenderState, Stage
from shared.store.core.connect import Client
from shared.store.pauses.pauses import PauseStore
from shared.store.queues.workers import LiveWorker, WorkerStore
from tests.shared.store.builders import submitted
from tests.workers.stage.test_worker import DEADLINE_S, Fleet


@pytest.fixture
def fleet(valkey_url: str, client: Client, tmp_path: Path) -> Iterator[Fleet]:
    made = Fleet(valkey_url, client, tmp_path)
    yield made
    made.stop()


@pytest.fixture
def pauses(client: Client) -> PauseStore:
    return PauseStore(client)


def seen(client: Client, worker: WorkerId) -> LiveWorker:
    [found] = [each for each in WorkerStore(client).workers()[0] if each.worker_id == worker]
    return found


def has_emptied(client: Client, worker: WorkerId) -> bool:
    found = seen(client, worker)
    return found.is_draining and not found.num_held and not found.slots


def has_begun(fleet: Fleet, job: Job) -> bool:
    renders = fleet.jobs.job(job.job_id, DEFAULT_TENANT).renders
    return all(render.progress and render.progress.done for render in renders)


def test_a_drained_worker_ends_what_it_can_takes_nothing_more_and_claims_again_afterwards(
    fleet: Fleet, client: Client, pauses: PauseStore
) -> None:
    running = submitted(fleet.jobs)
    worker = fleet.start(steps=100, step_s=0.02)
    fleet.wait_until(lambda: has_begun(fleet, running))
    pauses.drain(fleet.id_of(0), "too hot")
    waiting = submitted(fleet.jobs)
    fleet.wait_until(lambda: has_emptied(client, fleet.id_of(0)))
    assert fleet.states(running.job_id) == {RenderState.PRIOR_READY}
    assert fleet.states(waiting.job_id) == {RenderState.QUEUED}
    assert worker.poll() is None
    assert pauses.end_drain(fleet.id_of(0))
    fleet.wait_until(lambda: fleet.states(waiting.job_id) == {RenderState.PRIOR_READY})
    assert seen(client, fleet.id_of(0)).slots


def test_what_it_cannot_end_in_time_another_worker_does(fleet: Fleet, client: Client, pauses: PauseStore) -> None:
    job = submitted(fleet.jobs, n=2)
    fleet.start(steps=1_000_000, step_s=0.01, grace_s=100)
    fleet.wait_until(lambda: has_begun(fleet, job))
    pauses.drain(fleet.id_of(0), "")
    fleet.wait_until(lambda: has_emptied(client, fleet.id_of(0)))
    renders = fleet.jobs.job(job.job_id, DEFAULT_TENANT).renders
    assert [(render.state, render.attempts) for render in renders] == [("queued", 0), ("queued", 0)]
    fleet.start(steps=1, step_s=0.0)
    fleet.wait_until(lambda: fleet.states(job.job_id) == {RenderState.PRIOR_READY})


def test_a_drained_worker_ends_on_sigterm_and_a_new_one_is_not_drained(
    fleet: Fleet, client: Client, pauses: PauseStore
) -> None:
    worker = fleet.start(steps=1, step_s=0.0)
    pauses.drain(fleet.id_of(0), "")
    fleet.wait_until(lambda: has_emptied(client, fleet.id_of(0)))
    worker.send_signal(signal.SIGTERM)
    assert worker.wait(timeout=DEADLINE_S) == 0
    assert not client.exists("gridpress:paused")
    job = submitted(fleet.jobs)
    fleet.start(steps=1, step_s=0.0)
    fleet.wait_until(lambda: fleet.states(job.job_id) == {RenderState.PRIOR_READY})


def test_sigterm_in_the_middle_of_a_drain_loses_nothing(fleet: Fleet, pauses: PauseStore) -> None:
    job = submitted(fleet.jobs)
    worker = fleet.start(steps=150, step_s=0.02)
    fleet.wait_until(lambda: has_begun(fleet, job))
    pauses.drain(fleet.id_of(0), "")
    fleet.wait_until(lambda: "worker.drained_by_operator" in fleet.log_of(0))
    worker.send_signal(signal.SIGTERM)
    assert worker.wait(timeout=DEADLINE_S) == 0
    assert fleet.states(job.job_id) == {RenderState.PRIOR_READY}


def test_the_death_of_a_drained_worker_leaves_its_work_to_another(
    fleet: Fleet, client: Client, pauses: PauseStore
) -> None:
    job = submitted(fleet.jobs)
    worker = fleet.start(steps=100_000, step_s=0.01, grace_s=0.2)
    fleet.wait_until(lambda: has_begun(fleet, job))
    pauses.drain(fleet.id_of(0), "")
    worker.kill()
    fleet.start(steps=1, step_s=0.0)
    fleet.wait_until(lambda: fleet.states(job.job_id) == {RenderState.PRIOR_READY})
    assert Stage.AR in {each.stage for each in WorkerStore(client).workers()[0]}
