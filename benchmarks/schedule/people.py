"""A person's picture alone and beside a saturating batch, and what the batch loses by it."""

import random
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import mean, quantiles

from benchmarks.schedule.service import Desk, simulated

_MODEL, _DIT_S = "simulate:ar=3s,dit=3s", 3.0
_BULK_JOBS, _BULK_N = 20, 16
_WARM = 4  # pictures of the batch before anything is measured
_PAUSES_S = (0.5, 3.5)  # between a person's pictures: any moment of a render is as likely


@dataclass(frozen=True, slots=True)
class People:
    """Seconds of each picture. `bulk_lost`: work that the batch lost beyond the people's own, as a share of all."""

    alone_s: Sequence[float]
    beside_s: Sequence[float]
    bulk_lost: float

    @property
    def growth(self) -> float:
        """Returns the p95 beside the batch over the mean time alone."""
        return p95(self.beside_s) / mean(self.alone_s)


def p95(values: Sequence[float]) -> float:
    return quantiles(values, n=20)[-1]


def measure(num_alone: int, num_beside: int, bulk_s: float) -> People:
    """`bulk_s`: how long the batch is measured without people."""
    with simulated(_MODEL) as desk:
        alone_s = _pictures(desk, num_alone)
        bulk = [desk.submit(priority="batch", n=_BULK_N) for _ in range(_BULK_JOBS)]
        desk.wait_until_done(bulk, _WARM)
        before = _rate(desk, bulk, lambda: time.sleep(bulk_s))
        beside_s: list[float] = []
        during = _rate(desk, bulk, lambda: beside_s.extend(_pictures(desk, num_beside)))
        desk.cancel(bulk)
    lost_s = (before.per_s - during.per_s) * during.took_s / before.per_s
    return People(alone_s, beside_s, (lost_s - num_beside * _DIT_S) / during.took_s)


def _pictures(desk: Desk, number: int) -> list[float]:
    took_s = []
    for _ in range(number):
        time.sleep(random.uniform(*_PAUSES_S))
        took_s += desk.took_s([desk.submit()])
    return took_s


@dataclass(frozen=True, slots=True)
class _Rate:
    per_s: float
    took_s: float


def _rate(desk: Desk, bulk: Sequence[str], act: Callable[[], object]) -> _Rate:
    began_s, known = time.monotonic(), desk.num_done(bulk)
    act()
    took_s = time.monotonic() - began_s
    return _Rate((desk.num_done(bulk) - known) / took_s, took_s)
