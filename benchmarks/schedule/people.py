"""Measures an interactive picture alone and beside a saturating batch, and the throughput that the batch loses."""

import random
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import mean, quantiles

from benchmarks.schedule.service import TimedJobs, simulated

_MODEL, _DIT_S = "simulate:ar=3s,dit=3s", 3.0
_BULK_JOBS, _BULK_N = 20, 16
_WARM = 4  # pictures of the batch that end before the measurement starts
_PAUSES_S = (0.5, 3.5)  # random pause between interactive pictures, so that any moment of a render is equally likely


@dataclass(frozen=True, slots=True)
class People:
    """The seconds of each interactive picture.

    `bulk_lost` is the work that the batch lost beyond that of the interactive pictures, as a share of all.
    """

    alone_s: Sequence[float]
    beside_s: Sequence[float]
    bulk_lost: float

    @property
    def growth(self) -> float:
        """Returns the p95 beside the batch divided by the mean time alone."""
        return p95(self.beside_s) / mean(self.alone_s)


def p95(values: Sequence[float]) -> float:
    return quantiles(values, n=20)[-1]


def measure(num_alone: int, num_beside: int, bulk_s: float) -> People:
    """Measures interactive pictures alone and beside a batch.

    `bulk_s` is the seconds for which the batch is first measured alone.
    """
    with simulated(_MODEL) as timed_jobs:
        alone_s = _pictures(timed_jobs, num_alone)
        bulk = [timed_jobs.submit(priority="batch", n=_BULK_N) for _ in range(_BULK_JOBS)]
        timed_jobs.wait_until_done(bulk, _WARM)
        before = _rate(timed_jobs, bulk, lambda: time.sleep(bulk_s))
        beside_s: list[float] = []
        during = _rate(timed_jobs, bulk, lambda: beside_s.extend(_pictures(timed_jobs, num_beside)))
        timed_jobs.cancel(bulk)
    lost_s = (before.per_s - during.per_s) * during.took_s / before.per_s
    return People(alone_s, beside_s, (lost_s - num_beside * _DIT_S) / during.took_s)


def _pictures(timed_jobs: TimedJobs, number: int) -> list[float]:
    took_s = []
    for _ in range(number):
        time.sleep(random.uniform(*_PAUSES_S))
        took_s += timed_jobs.took_s([timed_jobs.submit()])
    return took_s


@dataclass(frozen=True, slots=True)
class _Rate:
    per_s: float
    took_s: float


def _rate(timed_jobs: TimedJobs, bulk: Sequence[str], act: Callable[[], object]) -> _Rate:
    began_s, known = time.monotonic(), timed_jobs.num_done(bulk)
    act()
    took_s = time.monotonic() - began_s
    return _Rate((timed_jobs.num_done(bulk) - known) / took_s, took_s)
