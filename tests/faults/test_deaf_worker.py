"""Whatever state Celery is in: a worker finds work by itself, is started anew as a consumer, and says so."""

import sys
from pathlib import Path

import pytest

from shared.hints.queues import Queue
from shared.store.queues.throughput import ThroughputStore
from shared.store.webhooks.manifests import ManifestStore
from tests.faults.fleet import Fleet, Worker

pytestmark = pytest.mark.attack

ROLES = {"ar": Queue.AR, "dit": Queue.DIT, "delivery": Queue.DELIVERY}


def start_deaf(fleet: Fleet, role: str, may_mind: Path) -> Worker:
    ready = fleet.ready_file()
    command = (sys.executable, "-m", "tests.faults.deaf_worker", role, str(may_mind))
    worker = fleet.launch(command, ready_file=str(ready))
    fleet.wait_until(lambda: ready.exists() or not worker.is_running)
    assert worker.is_running, worker.log
    return worker


def test_deaf_workers_of_every_stage_finish_a_job_and_hear_again(fleet: Fleet, tmp_path: Path) -> None:
    may_mind = tmp_path / "may_mind"
    workers = {role: start_deaf(fleet, role, may_mind) for role in ROLES}
    job = fleet.submit(n=3)
    fleet.wait_until(lambda: fleet.are_all(job, "succeeded"))
    fleet.wait_until(lambda: ManifestStore(fleet.client, lease_ttl_s=1).claim() is None)
    fleet.wait_until(lambda: all("lookout.found_work" in worker.log for worker in workers.values()))
    may_mind.touch()
    fleet.wait_until(lambda: all("consumer.restarted" in worker.log for worker in workers.values()))
    pace = ThroughputStore(fleet.client)

    def is_told() -> bool:
        signs = pace.signs()
        return all((signs[queue].restarts, signs[queue].deaf) == (1, 0) for queue in ROLES.values())

    fleet.wait_until(is_told)
    assert pace.signs()[Queue.AR].found >= 1
    again = fleet.submit(n=3)
    fleet.wait_until(lambda: fleet.are_all(again, "succeeded"))
    assert all(worker.is_running for worker in workers.values())
