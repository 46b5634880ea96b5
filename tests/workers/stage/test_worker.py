"""A real Celery worker process over the real store: claims by hints, drains on SIGTERM, loses nothing to SIGKILL."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from shared.celery_app import make_celery
from shared.hints.queues import Queue
from shared.ids import DEFAULT_TENANT, JobId, WorkerId
from shared.jobs.leases import Progress
from shared.jobs.spec import Priority
from shared.jobs.states import RenderState
from shared.settings.settings import Settings
from shared.store.core.connect import Client
from shared.store.jobs.jobs import JobStore
from shared.store.queues.hints import Hints
from shared.store.queues.upkeep import UpkeepStore
from tests.shared.store.builders import submitted
from workers.consumer.serving import EXIT_DEVICE_LOST, node_name
from workers.upkeep.service import Upkeep

DEADLINE_S = 60.0


class Fleet:
    """Starts fake AR workers and ticks upkeep while a test waits."""

    def __init__(self, url: str, client: Client, log_dir: Path) -> None:
        store = UpkeepStore(client)
        self.jobs = JobStore(client)
        self.settings = Settings(redis_url=url, lease_ttl_s=1.0, drain_grace_s=10.0)
        self._upkeep = Upkeep(store, Hints(make_celery(url), store), self.settings)
        self._log_dir = log_dir
        self.workers: list[subprocess.Popen[bytes]] = []

    def start(self, *, steps: int, step_s: float, grace_s: float = 10.0, fault: str = "") -> subprocess.Popen[bytes]:
        ready = self._log_dir / f"{len(self.workers)}.ready"
        environment = {
            "GRIDPRESS_REDIS_URL": str(self.settings.redis_url),
            "GRIDPRESS_LEASE_TTL_S": "1.0",
            "GRIDPRESS_DRAIN_GRACE_S": str(grace_s),
            "GRIDPRESS_READY_FILE": str(ready),
            "GRIDPRESS_HANG_FLOOR_S": "0.5",
        }
        with (self._log_dir / f"{len(self.workers)}.log").open("wb") as log:
            worker = subprocess.Popen(
                [sys.executable, "-m", "tests.workers.stage.fake_stage", str(steps), str(step_s), fault],
                env={**os.environ, **environment},
                stderr=log,
                stdout=log,
            )
        self.workers.append(worker)
        self.wait_until(ready.exists)
        return worker

    def id_of(self, index: int) -> WorkerId:
        return WorkerId((self._log_dir / f"{index}.ready").read_text().strip())

    def is_ready(self, index: int) -> bool:
        return (self._log_dir / f"{index}.ready").exists()

    def log_of(self, index: int) -> str:
        return (self._log_dir / f"{index}.log").read_text()

    def wait_until(self, is_true: Callable[[], bool]) -> None:
        deadline = time.monotonic() + DEADLINE_S
        while not is_true():
            assert time.monotonic() < deadline, "it never happened"
            self._upkeep.run_once(time.monotonic())
            time.sleep(0.02)

    def states(self, job_id: JobId) -> set[RenderState]:
        return {render.state for render in self.jobs.job(job_id, DEFAULT_TENANT).renders}

    def stop(self) -> None:
        for worker in self.workers:
            worker.kill()
            worker.wait()


@pytest.fixture
def fleet(valkey_url: str, client: Client, tmp_path: Path) -> Iterator[Fleet]:
    made = Fleet(valkey_url, client, tmp_path)
    yield made
    made.stop()


def test_a_worker_takes_every_waiting_render_leaves_hints_and_answers_celerys_tools_under_its_id(
    fleet: Fleet, client: Client
) -> None:
    job = submitted(fleet.jobs, n=12)
    fleet.start(steps=2, step_s=0.0)
    fleet.wait_until(lambda: fleet.states(job.job_id) == {RenderState.PRIOR_READY})
    # No worker of that stage is there, and whoever sends a hint looks in the same script: one, however many renders.
    assert UpkeepStore(client).backlog(Queue.DIT).hints == 1
    assert fleet.settings.redis_url
    control = make_celery(fleet.settings.redis_url).control
    answers: list[dict[str, object]] = []
    fleet.wait_until(lambda: bool(answers.extend(control.ping(limit=1, timeout=1)) or answers))
    assert list(answers[0]) == [node_name(fleet.id_of(0))]


def test_progress_reaches_the_store_while_a_render_runs(fleet: Fleet) -> None:
    job = submitted(fleet.jobs)
    fleet.start(steps=1_000, step_s=0.01)

    def progress() -> Progress | None:
        return fleet.jobs.job(job.job_id, DEFAULT_TENANT).renders[0].progress

    fleet.wait_until(lambda: bool((seen := progress()) and 0 < seen.done < seen.total == 1_000))


def test_a_cancelled_render_frees_its_slot(fleet: Fleet) -> None:
    hogs = [submitted(fleet.jobs) for _ in range(2)]
    fleet.start(steps=10_000, step_s=0.01)
    fleet.wait_until(lambda: all(fleet.states(hog.job_id) == {RenderState.PRIOR_RUNNING} for hog in hogs))
    late = submitted(fleet.jobs)
    fleet.jobs.cancel(hogs[0].job_id, DEFAULT_TENANT)
    fleet.wait_until(lambda: fleet.states(late.job_id) == {RenderState.PRIOR_RUNNING})


def test_sigterm_finishes_what_can_finish_and_exits_cleanly(fleet: Fleet) -> None:
    job = submitted(fleet.jobs)
    worker = fleet.start(steps=50, step_s=0.01)
    fleet.wait_until(lambda: fleet.states(job.job_id) == {RenderState.PRIOR_RUNNING})
    worker.send_signal(signal.SIGTERM)
    assert worker.wait(timeout=DEADLINE_S) == 0
    assert fleet.states(job.job_id) == {RenderState.PRIOR_READY}


def test_sigterm_hands_back_what_cannot_finish(fleet: Fleet) -> None:
    job = submitted(fleet.jobs, n=2)
    worker = fleet.start(steps=1_000_000, step_s=0.01, grace_s=100)

    def has_a_pace() -> bool:
        renders = fleet.jobs.job(job.job_id, DEFAULT_TENANT).renders
        return all(render.progress and render.progress.done for render in renders)

    fleet.wait_until(has_a_pace)
    worker.send_signal(signal.SIGTERM)
    assert worker.wait(timeout=DEADLINE_S) == 0
    renders = fleet.jobs.job(job.job_id, DEFAULT_TENANT).renders
    assert [(render.state, render.attempts) for render in renders] == [("queued", 0), ("queued", 0)]


def test_a_drain_that_leaves_a_step_behind_hands_its_render_back_and_ends_in_success(fleet: Fleet) -> None:
    job = submitted(fleet.jobs)
    worker = fleet.start(steps=1, step_s=DEADLINE_S, grace_s=0.1)
    fleet.wait_until(lambda: fleet.states(job.job_id) == {RenderState.PRIOR_RUNNING})
    worker.send_signal(signal.SIGTERM)
    assert worker.wait(timeout=DEADLINE_S) == 0
    assert fleet.states(job.job_id) == {RenderState.QUEUED}


def test_a_second_sigterm_ends_a_draining_worker_at_once(fleet: Fleet) -> None:
    job = submitted(fleet.jobs)
    worker = fleet.start(steps=10_000, step_s=0.01, grace_s=3600)
    fleet.wait_until(lambda: fleet.states(job.job_id) == {RenderState.PRIOR_RUNNING})

    def insist() -> bool:
        worker.send_signal(signal.SIGTERM)
        return worker.poll() is not None

    fleet.wait_until(insist)
    assert worker.returncode != 0


def test_what_a_killed_worker_held_is_done_by_another(fleet: Fleet) -> None:
    job = submitted(fleet.jobs, n=2)
    killed = fleet.start(steps=10_000, step_s=0.01)
    fleet.wait_until(lambda: fleet.states(job.job_id) == {RenderState.PRIOR_RUNNING})
    killed.kill()
    fleet.start(steps=1, step_s=0.0)
    fleet.wait_until(lambda: fleet.states(job.job_id) == {RenderState.PRIOR_READY})


def test_a_render_that_was_prepared_ahead_goes_back_when_a_person_comes(fleet: Fleet) -> None:
    """It would wait for the person's and the running one. Another worker may begin it at once."""
    running, ahead = (submitted(fleet.jobs, priority=Priority.BATCH) for _ in range(2))
    fleet.start(steps=10_000, step_s=0.01, fault="turns")
    both = (running.job_id, ahead.job_id)
    fleet.wait_until(lambda: [fleet.states(job_id) for job_id in both] == [{RenderState.PRIOR_RUNNING}] * 2)
    person = submitted(fleet.jobs)
    fleet.wait_until(lambda: fleet.states(ahead.job_id) == {RenderState.QUEUED})
    assert fleet.states(running.job_id) == fleet.states(person.job_id) == {RenderState.PRIOR_RUNNING}
    assert fleet.jobs.job(ahead.job_id, DEFAULT_TENANT).renders[0].attempts == 0
    fleet.start(steps=1, step_s=0.0)
    fleet.wait_until(lambda: fleet.states(ahead.job_id) == {RenderState.PRIOR_READY})


@pytest.mark.parametrize(("fault", "event"), [("hang", "engine.hangs"), ("lost", "engine.lost")])
def test_a_worker_whose_device_is_of_no_more_use_says_so_and_leaves_its_work_to_another(
    fleet: Fleet, fault: str, event: str
) -> None:
    broken = fleet.start(steps=10, step_s=0.001, fault=fault)
    job = submitted(fleet.jobs, n=2)
    fleet.wait_until(lambda: broken.poll() is not None)
    assert broken.returncode == EXIT_DEVICE_LOST
    assert not fleet.is_ready(0)
    assert f'"{event}"' in fleet.log_of(0)
    fleet.start(steps=1, step_s=0.0)
    fleet.wait_until(lambda: fleet.states(job.job_id) == {RenderState.PRIOR_READY})
