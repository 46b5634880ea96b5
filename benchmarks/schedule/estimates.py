"""Compares the estimate that a job gets at its submission (`eta_s`) with its real end, under idle, half, saturated
and mixed load.
"""

import random
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import median, quantiles

from benchmarks.schedule.service import Engines, EstimatedJob, TimedJobs, timed_service

_WARM = 6  # pictures rendered first, so that the service has measured its throughput
_WAVE, _BULK_N, _PEOPLE_BEFORE = 3, 16, 24


@dataclass(frozen=True, slots=True)
class Estimates:
    """Seconds until each job's end, as estimated in the 202 response and as measured.

    None means that there was no estimate.
    """

    load: str
    told_s: Sequence[float | None]
    true_s: Sequence[float]

    @property
    def errors(self) -> Sequence[float]:
        """Returns the relative errors of the estimates."""
        pairs = zip(self.told_s, self.true_s, strict=True)
        return [abs(told - true) / true for told, true in pairs if told is not None]

    @property
    def num_without_estimate(self) -> int:
        return sum(told is None for told in self.told_s)

    @property
    def median(self) -> float:
        return median(self.errors)

    @property
    def p90(self) -> float:
        return quantiles(self.errors, n=10)[-1]


def measure(engines: Engines, num_jobs: int) -> Sequence[Estimates]:
    """Measures `num_jobs` jobs under each load, on one AR worker with four rows and one DiT worker."""
    loads: Sequence[tuple[str, Callable[[TimedJobs, int, float], Sequence[EstimatedJob]]]] = (
        ("idle", _idle),
        ("half load", _half),
        ("saturation", _saturated),
        ("people beside a batch", _beside_bulk),
    )
    with timed_service(engines) as timed_jobs:
        per_s = _pictures_per_s(timed_jobs)
        found = [_estimates(timed_jobs, name, load(timed_jobs, num_jobs, per_s)) for name, load in loads]
    return [*found, bulk_beside(engines, num_jobs)]


def bulk_beside(engines: Engines, num_jobs: int) -> Estimates:
    """Measures `num_jobs` batch jobs beside interactive work that takes a quarter of the DiT worker.

    The service is a new one: its estimates expect as much interactive work as in the last quarter of an hour, which
    would have the pictures of the other loads.
    """
    with timed_service(engines) as timed_jobs:
        jobs = _bulk_beside(timed_jobs, num_jobs, _pictures_per_s(timed_jobs))
        return _estimates(timed_jobs, "a batch beside people", jobs)


def _pictures_per_s(timed_jobs: TimedJobs) -> float:
    """Returns the pictures per second of the DiT worker."""
    return 1 / timed_jobs.alone_dit_s(_WARM)


def _estimates(timed_jobs: TimedJobs, load: str, jobs: Sequence[EstimatedJob]) -> Estimates:
    return Estimates(load, [each.eta_s for each in jobs], timed_jobs.took_s([each.job_id for each in jobs]))


def _idle(timed_jobs: TimedJobs, num: int, _: float) -> Sequence[EstimatedJob]:
    found = []
    for _ in range(num):
        found.append(timed_jobs.submit_for_estimate())
        timed_jobs.took_s([found[-1].job_id])
    return found


def _half(timed_jobs: TimedJobs, num: int, per_s: float) -> Sequence[EstimatedJob]:
    return _poisson(timed_jobs, num, per_s / 2)


def _saturated(timed_jobs: TimedJobs, num: int, per_s: float) -> Sequence[EstimatedJob]:
    """Submits waves of jobs at twice the rate of one worker, so that each job waits longer than the last."""
    found = []
    for number in range(num):
        found.append(timed_jobs.submit_for_estimate())
        if number % _WAVE == _WAVE - 1:
            time.sleep(_WAVE / per_s / 2)
    return found


def _beside_bulk(timed_jobs: TimedJobs, num: int, per_s: float) -> Sequence[EstimatedJob]:
    bulk = [timed_jobs.submit(priority="batch", n=_BULK_N) for _ in range(num)]
    time.sleep(2 / per_s)
    found = _poisson(timed_jobs, num, per_s / 4)
    timed_jobs.took_s([each.job_id for each in found])
    timed_jobs.cancel(bulk)
    return found


def _bulk_beside(timed_jobs: TimedJobs, num: int, per_s: float) -> Sequence[EstimatedJob]:
    """Submits all batch jobs together. Interactive jobs use a quarter of the worker before and after."""
    _poisson(timed_jobs, _PEOPLE_BEFORE, per_s / 4)
    found = [timed_jobs.submit_for_estimate(priority="batch") for _ in range(num)]
    while timed_jobs.num_done([each.job_id for each in found]) < num:
        _poisson(timed_jobs, 1, per_s / 4)
    return found


def _poisson(timed_jobs: TimedJobs, num: int, per_s: float) -> Sequence[EstimatedJob]:
    found = []
    for _ in range(num):
        time.sleep(random.expovariate(per_s))
        found.append(timed_jobs.submit_for_estimate())
    return found
