"""Leases go by the store's clock: what a worker's own wall clock says does not matter."""

import sys

from shared.jobs.states import Stage
from tests.faults.fleet import LEASE_TTL_S, Fleet

# Every look at the clock finds it an hour off, once ahead and once behind.
_JUMPING = """
import itertools, runpy, time
real, jumps = time.time, itertools.cycle((3600.0, -3600.0))
time.time = lambda: real() + next(jumps)
runpy.run_module("workers.{stage}", run_name="__main__")
"""


def test_a_worker_whose_clock_jumps_keeps_its_leases(fleet: Fleet) -> None:
    ready = fleet.ready_file()
    longer_than_a_lease = f"simulate:ar={2 * LEASE_TTL_S}s"
    command = (sys.executable, "-c", _JUMPING.format(stage=Stage.AR))
    worker = fleet.launch(command, longer_than_a_lease, ready_file=str(ready))
    fleet.wait_until(ready.exists)
    job = fleet.submit(n=3)
    fleet.wait_until(lambda: fleet.are_all(job, "prior_ready"))
    assert [render.attempts for render in fleet.renders(job)] == [1, 1, 1]
    assert worker.is_running
