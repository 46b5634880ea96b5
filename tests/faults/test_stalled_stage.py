"""A stage that stands still with workers that live and beat is noticed, and so is its end."""

import signal
import sys
from pathlib import Path

import pytest

from shared.jobs.states import Stage
from shared.schedule.autoscaling import ScalingRules, wanted_workers
from shared.schedule.throughput import StageLoad
from shared.store.queues.throughput import ThroughputStore
from shared.store.queues.upkeep import UpkeepStore
from tests.faults.fleet import LEASE_TTL_S, Fleet

pytestmark = pytest.mark.attack


def look(fleet: Fleet, lasting_s: float = 1.0) -> StageLoad:
    """One look of upkeep, and what it tells of AR."""
    UpkeepStore(fleet.client).look_for_stalls(fleet.settings.prior_ready_limit_min, lasting_s)
    return ThroughputStore(fleet.client).loads()[Stage.AR]


def test_a_worker_that_hears_and_finds_nothing_stalls_its_stage_until_it_hears_again(
    fleet: Fleet, tmp_path: Path
) -> None:
    may_mind, ready = tmp_path / "may_mind", fleet.ready_file()
    command = (sys.executable, "-m", "tests.faults.deaf_worker", "ar", str(may_mind), "blind")
    worker = fleet.launch(command, ready_file=str(ready))
    fleet.wait_until(lambda: ready.exists() or not worker.is_running)
    fleet.wait_until(lambda: fleet.client.zcard("gridpress:open:ar:batch") == 1)  # its first claim found nothing
    job = fleet.submit()
    fleet.wait_until(lambda: look(fleet).is_stalled)
    assert fleet.are_all(job, "queued")
    may_mind.touch()
    fleet.wait_until(lambda: fleet.are_all(job, "prior_ready"))
    assert not look(fleet).is_stalled


def test_a_stopped_worker_is_missed_rather_than_waited_for(fleet: Fleet) -> None:
    worker = fleet.start(Stage.AR)
    fleet.wait_until(lambda: fleet.client.zcard("gridpress:open:ar:batch") == 1)  # its first claim found nothing
    worker.process.send_signal(signal.SIGSTOP)
    job = fleet.submit()
    fleet.wait_until(lambda: look(fleet, 2 * LEASE_TTL_S).strength.workers == 0)
    load = look(fleet, 2 * LEASE_TTL_S)
    assert not load.is_stalled
    assert load.unserved
    loads = ThroughputStore(fleet.client).loads()
    assert wanted_workers(loads, ScalingRules(60, fleet.settings.prior_ready_limit_min))[Stage.AR] == 1
    worker.process.send_signal(signal.SIGCONT)
    fleet.wait_until(lambda: fleet.are_all(job, "prior_ready"))
