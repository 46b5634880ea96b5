"""What jobs are told at their submission (`eta_s`), and what came true: idle, half load, saturation, mixed classes."""

import random
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import median, quantiles

from benchmarks.schedule.service import Desk, Told, simulated

_MODEL = "simulate:ar=1s,dit=2s"
_PER_S = 0.5  # pictures that one DiT worker paints
_WARM = 6  # pictures, so that the service knows its throughput
_WAVE, _BULK_N, _PEOPLE_BEFORE = 3, 16, 8


@dataclass(frozen=True, slots=True)
class Estimates:
    """Seconds until each job's end as the 202 told them, and as they came true. None: nothing was told."""

    load: str
    told_s: Sequence[float | None]
    true_s: Sequence[float]

    @property
    def errors(self) -> Sequence[float]:
        """Shares of what came true."""
        pairs = zip(self.told_s, self.true_s, strict=True)
        return [abs(told - true) / true for told, true in pairs if told is not None]

    @property
    def num_untold(self) -> int:
        return sum(told is None for told in self.told_s)

    @property
    def median(self) -> float:
        return median(self.errors)

    @property
    def p90(self) -> float:
        return quantiles(self.errors, n=10)[-1]


def measure(num_jobs: int) -> Sequence[Estimates]:
    """`num_jobs` of each load, on one AR worker of four rows and one DiT worker."""
    with simulated(_MODEL) as desk:
        for _ in range(_WARM):
            desk.took_s([desk.submit()])
        loads: Sequence[tuple[str, Callable[[Desk, int], Sequence[Told]]]] = (
            ("idle", _idle),
            ("half load", _half),
            ("saturation", _saturated),
            ("people beside a batch", _beside_bulk),
            ("a batch beside people", _bulk_beside),
        )
        return [_estimates(desk, name, load(desk, num_jobs)) for name, load in loads]


def _estimates(desk: Desk, load: str, told: Sequence[Told]) -> Estimates:
    return Estimates(load, [each.eta_s for each in told], desk.took_s([each.job_id for each in told]))


def _idle(desk: Desk, num: int) -> Sequence[Told]:
    found = []
    for _ in range(num):
        found.append(desk.told())
        desk.took_s([found[-1].job_id])
    return found


def _half(desk: Desk, num: int) -> Sequence[Told]:
    return _poisson(desk, num, _PER_S / 2)


def _saturated(desk: Desk, num: int) -> Sequence[Told]:
    """Waves at twice the rate that one worker paints: each job waits longer than the last."""
    found = []
    for number in range(num):
        found.append(desk.told())
        if number % _WAVE == _WAVE - 1:
            time.sleep(_WAVE / _PER_S / 2)
    return found


def _beside_bulk(desk: Desk, num: int) -> Sequence[Told]:
    bulk = [desk.submit(priority="batch", n=_BULK_N) for _ in range(num)]
    time.sleep(2 / _PER_S)
    found = _poisson(desk, num, _PER_S / 4)
    desk.took_s([each.job_id for each in found])
    desk.cancel(bulk)
    return found


def _bulk_beside(desk: Desk, num: int) -> Sequence[Told]:
    """People take a quarter of the worker, before and after the jobs of `batch` are submitted together."""
    _poisson(desk, _PEOPLE_BEFORE, _PER_S / 4)
    found = [desk.told(priority="batch") for _ in range(num)]
    while desk.num_done([each.job_id for each in found]) < num:
        _poisson(desk, 1, _PER_S / 4)
    return found


def _poisson(desk: Desk, num: int, per_s: float) -> Sequence[Told]:
    found = []
    for _ in range(num):
        time.sleep(random.expovariate(per_s))
        found.append(desk.told())
    return found
