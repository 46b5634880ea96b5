"""Submits pictures half a second apart, as many as there are DiT workers, and checks that none waits behind another."""

import time
from collections.abc import Sequence
from dataclasses import dataclass

from benchmarks.schedule.service import TimedJobs, simulated

_MODEL = "simulate:ar=0.3s,dit=3s"
_APART_S = 0.5
# A picture behind another waits until the other ends: mostly 2.5 s, and at least 0.5 s with up to seven between them.
_LATE_S = 0.75


@dataclass(frozen=True, slots=True)
class Staggered:
    """Seconds of each picture in every trial. A picture is late if it took 0.75 s longer than a picture alone."""

    workers: int
    alone_s: float
    trials_s: Sequence[Sequence[float]]

    @property
    def num_late(self) -> int:
        """Returns the number of trials with a late picture."""
        return sum(max(trial) > self.alone_s + _LATE_S for trial in self.trials_s)


def measure(workers: int, num_trials: int) -> Staggered:
    with simulated(_MODEL, dit_workers=workers) as timed_jobs:
        alone_s = min(timed_jobs.took_s([timed_jobs.submit()])[0] for _ in range(3))
        return Staggered(workers, alone_s, [_trial(timed_jobs, workers) for _ in range(num_trials)])


def _trial(timed_jobs: TimedJobs, workers: int) -> Sequence[float]:
    jobs = []
    for _ in range(workers):
        jobs.append(timed_jobs.submit())
        time.sleep(_APART_S)
    return timed_jobs.took_s(jobs)
