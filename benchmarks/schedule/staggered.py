"""Pictures half a second apart, as many as there are DiT workers: none should wait behind another."""

import time
from collections.abc import Sequence
from dataclasses import dataclass

from benchmarks.schedule.service import Desk, simulated

_MODEL = "simulate:ar=0.3s,dit=3s"
_APART_S = 0.5
# A picture behind another waits for what is left of it: 0.5 s at least with up to seven between them, and mostly 2.5.
_LATE_S = 0.75


@dataclass(frozen=True, slots=True)
class Staggered:
    """Seconds of each picture in every trial. A picture is late when it took 0.75 s longer than one alone."""

    workers: int
    alone_s: float
    trials_s: Sequence[Sequence[float]]

    @property
    def num_late(self) -> int:
        """Returns how many trials had a late picture."""
        return sum(max(trial) > self.alone_s + _LATE_S for trial in self.trials_s)


def measure(workers: int, num_trials: int) -> Staggered:
    with simulated(_MODEL, dit_workers=workers) as desk:
        alone_s = min(desk.took_s([desk.submit()])[0] for _ in range(3))
        return Staggered(workers, alone_s, [_trial(desk, workers) for _ in range(num_trials)])


def _trial(desk: Desk, workers: int) -> Sequence[float]:
    jobs = []
    for _ in range(workers):
        jobs.append(desk.submit())
        time.sleep(_APART_S)
    return desk.took_s(jobs)
