"""Submits pictures one shortly after another, as many as there are DiT workers, and checks that none waits behind
another.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass

from benchmarks.schedule.service import Engines, PictureTimes, TimedJobs, timed_service

# In times of a picture in the DiT: 0.5 s with simulated engines of 3 s. A picture behind another one waits until the
# other one ends, mostly 2.5 s. With eight pictures the first one is behind the last one by at least a sixth.
_APART = 1 / 6
_LATE = 1 / 4


@dataclass(frozen=True, slots=True)
class Late:
    """A late picture: its trial, its place among the pictures of the trial, and the parts of its time."""

    trial: int
    place: int
    times: PictureTimes


@dataclass(frozen=True, slots=True)
class Staggered:
    """The seconds of each picture in every trial, and the late pictures.

    `alone_s` is the time of a picture alone, `dit_s` its part in the DiT. A picture is late if it takes a quarter of
    `dit_s` longer than alone. It is behind another picture if it loses this time between AR and its end, because it
    waits for a DiT worker, or in one. A picture that is late for another reason has lost its time before.
    """

    workers: int
    alone_s: float
    dit_s: float
    trials_s: Sequence[Sequence[float]]
    late: Sequence[Late]

    @property
    def num_late(self) -> int:
        """Returns the number of trials with a late picture."""
        return len({each.trial for each in self.late})

    @property
    def num_behind(self) -> int:
        """Returns the number of trials in which a picture lost its time behind another one."""
        return len({each.trial for each in self.late if self._is_behind(each.times)})

    def _is_behind(self, times: PictureTimes) -> bool:
        return times.waited_for_dit_s + times.in_dit_s > (1 + _LATE) * self.dit_s


def measure(engines: Engines, workers: int, num_trials: int) -> Staggered:
    with timed_service(engines, dit_workers=workers) as timed_jobs:
        alone = min((timed_jobs.pictures([timed_jobs.submit()])[0] for _ in range(3)), key=lambda each: each.took_s)
        trials = [_trial(timed_jobs, workers, _APART * alone.in_dit_s) for _ in range(num_trials)]
    late = [
        Late(number, place, times)
        for number, trial in enumerate(trials)
        for place, times in enumerate(trial)
        if times.took_s > alone.took_s + _LATE * alone.in_dit_s
    ]
    times_s = [[times.took_s for times in trial] for trial in trials]
    return Staggered(workers, alone.took_s, alone.in_dit_s, times_s, late)


def _trial(timed_jobs: TimedJobs, workers: int, apart_s: float) -> Sequence[PictureTimes]:
    jobs = []
    for _ in range(workers):
        jobs.append(timed_jobs.submit())
        time.sleep(apart_s)
    return timed_jobs.pictures(jobs)
