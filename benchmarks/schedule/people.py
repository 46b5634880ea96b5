"""Measures an interactive picture alone and beside a saturating batch, and the throughput that the batch loses."""

import random
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import mean, quantiles

from benchmarks.schedule.service import Engines, PictureTimes, TimedJobs, timed_service

_BULK_JOBS, _BULK_N = 20, 16
_WARM = 4  # pictures of the batch that end before the measurement starts
# Random pause between interactive pictures, in times of a render in the DiT, so that any moment is equally likely.
_PAUSES = (0.2, 1.2)


@dataclass(frozen=True, slots=True)
class People:
    """The times of each interactive picture.

    `bulk_lost` is the work that the batch lost beyond that of the interactive pictures, as a share of all.
    """

    alone: Sequence[PictureTimes]
    beside: Sequence[PictureTimes]
    bulk_lost: float

    @property
    def alone_s(self) -> Sequence[float]:
        return [each.took_s for each in self.alone]

    @property
    def beside_s(self) -> Sequence[float]:
        return [each.took_s for each in self.beside]

    @property
    def growth(self) -> float:
        """Returns the p95 beside the batch divided by the mean time alone."""
        return p95(self.beside_s) / mean(self.alone_s)


def p95(values: Sequence[float]) -> float:
    return quantiles(values, n=20)[-1]


def measure(engines: Engines, num_alone: int, num_beside: int) -> People:
    """Measures `num_alone` interactive pictures without a batch, then the batch without interactive pictures, then
    `num_beside` interactive pictures during the batch.

    The batch is measured without others for a third of the time that `num_beside` pictures take in the DiT.
    """
    with timed_service(engines) as timed_jobs:
        dit_s = timed_jobs.alone_dit_s(2)
        alone = _pictures(timed_jobs, num_alone, dit_s)
        dit_s = mean(each.in_dit_s for each in alone)
        bulk = [timed_jobs.submit(priority="batch", n=_BULK_N) for _ in range(_BULK_JOBS)]
        timed_jobs.wait_until_done(bulk, _WARM)
        before = _rate(timed_jobs, bulk, lambda: time.sleep(num_beside * dit_s / 3))
        beside: list[PictureTimes] = []
        during = _rate(timed_jobs, bulk, lambda: beside.extend(_pictures(timed_jobs, num_beside, dit_s)))
        timed_jobs.cancel(bulk)
    lost_s = (before.per_s - during.per_s) * during.took_s / before.per_s
    return People(alone, beside, (lost_s - num_beside * dit_s) / during.took_s)


def _pictures(timed_jobs: TimedJobs, number: int, dit_s: float) -> list[PictureTimes]:
    found = []
    for _ in range(number):
        time.sleep(dit_s * random.uniform(*_PAUSES))
        found += timed_jobs.pictures([timed_jobs.submit()])
    return found


@dataclass(frozen=True, slots=True)
class _Rate:
    per_s: float
    took_s: float


def _rate(timed_jobs: TimedJobs, bulk: Sequence[str], act: Callable[[], object]) -> _Rate:
    began_s, known = time.monotonic(), timed_jobs.num_done(bulk)
    act()
    took_s = time.monotonic() - began_s
    return _Rate((timed_jobs.num_done(bulk) - known) / took_s, took_s)
