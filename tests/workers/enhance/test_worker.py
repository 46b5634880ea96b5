"""The process itself: killed while it waits for the endpoint, and drained."""

import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from shared.ids import DEFAULT_TENANT, new_job_id
from shared.jobs.states import JobStatus, Stage
from shared.settings.settings import Settings
from shared.store.core.connect import Client
from tests.faults.fleet import LEASE_TTL_S, Fleet, Worker
from tests.shared.store.builders import a_spec
from tests.workers.enhance.chat import Chat, chatting, says

REVISED = "a red kite over a grey bay"
COMMAND = (sys.executable, "-m", "workers.enhance")


@pytest.fixture
def fleet(valkey_url: str, client: Client, s3_settings: Settings, tmp_path: Path) -> Iterator[Fleet]:
    made = Fleet(s3_settings.model_copy(update={"redis_url": valkey_url, "lease_ttl_s": LEASE_TTL_S}), client, tmp_path)
    yield made
    made.stop()


def started(fleet: Fleet, chat: Chat) -> Worker:
    ready = fleet.ready_file()
    worker = fleet.launch(COMMAND, ready_file=str(ready), enhance_base_url=chat.url)
    fleet.wait_until(lambda: ready.exists() or not worker.is_running)
    assert worker.is_running, worker.log
    return worker


def test_a_worker_that_is_killed_in_its_call_costs_nothing_but_another_call(fleet: Fleet, client: Client) -> None:
    with chatting(says(REVISED)) as chat:
        chat.gate.clear()
        job = fleet.jobs.submit(new_job_id(), a_spec(n=2, enhance_prompt=True))
        first = started(fleet, chat)
        fleet.wait_until(chat.called.is_set)
        first.process.kill()
        first.process.wait()
        # Its lease ends now. With an end long ago the job would count as one that nobody came for.
        client.zadd("gridpress:enhancements:interactive", {job.job_id: time.time() * 1000})
        chat.gate.set()
        started(fleet, chat)
        fleet.wait_until(lambda: fleet.jobs.job(job.job_id, DEFAULT_TENANT).revised_prompt is not None)
    for stage in Stage:
        fleet.start(stage)
    fleet.wait_until(lambda: fleet.jobs.status(job.job_id).is_final)
    ended = fleet.jobs.job(job.job_id, DEFAULT_TENANT)
    assert (ended.status, ended.revised_prompt) == (JobStatus.SUCCEEDED, REVISED)
    assert [render.attempts for render in ended.renders] == [2, 2], "one of each stage"
    kinds = [event.type for event in fleet.jobs.events(job.job_id, after="0")]
    assert [kinds.count(kind) for kind in ("job.enhancing", "job.enhanced", "job.succeeded")] == [1, 1, 1]
    assert len(chat.heard) == 2


def test_calls_are_made_side_by_side_and_end_before_the_process_does(fleet: Fleet) -> None:
    with chatting(says(REVISED)) as chat:
        chat.gate.clear()
        jobs = [fleet.jobs.submit(new_job_id(), a_spec(enhance_prompt=True)) for _ in range(8)]
        worker = started(fleet, chat)
        fleet.wait_until(lambda: len(chat.heard) == len(jobs))
        worker.process.send_signal(signal.SIGTERM)
        chat.gate.set()
        fleet.wait_until(lambda: not worker.is_running)
        assert worker.process.returncode == 0, worker.log
    assert {fleet.jobs.job(job.job_id, DEFAULT_TENANT).revised_prompt for job in jobs} == {REVISED}
