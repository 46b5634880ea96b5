"""A worker that stops for longer than its lease and goes on: what it then writes is refused."""

import signal

from shared.jobs.states import Stage
from tests.faults.fleet import Fleet

# Long enough to be caught in the act.
MODEL = "simulate:dit=1s"


def test_the_late_write_of_a_frozen_worker_is_refused(fleet: Fleet) -> None:
    fleet.start(Stage.AR)
    frozen = fleet.start(Stage.DIT, MODEL)
    job = fleet.submit()
    fleet.wait_until(lambda: fleet.are_all(job, "decode_running"))
    frozen.process.send_signal(signal.SIGSTOP)
    fleet.wait_until(lambda: fleet.are_all(job, "prior_ready"))
    fleet.start(Stage.DIT)
    fleet.wait_until(lambda: fleet.are_all(job, "succeeded"))
    (won,) = fleet.renders(job)
    frozen.process.send_signal(signal.SIGCONT)
    fleet.wait_until(lambda: "render.result_dropped" in frozen.log or "render.dropped" in frozen.log)
    assert fleet.renders(job) == (won,)
    assert won.picture
    assert frozen.is_running
