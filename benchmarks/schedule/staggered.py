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
    """A late picture: its trial, its place among the pictures of the trial, and the parts of its time.

    `shares_worker` says whether its DiT worker rendered another picture of the trial, too.
    """

    trial: int
    place: int
    times: PictureTimes
    shares_worker: bool


@dataclass(frozen=True, slots=True)
class Staggered:
    """The seconds of each picture in every trial, and the late pictures.

    `alone_s` is the time of a picture alone, `dit_s` its part in the DiT. A picture is late if it takes a quarter of
    `dit_s` longer than alone. It is behind another picture if it loses this time because it waits for a DiT worker, or
    in one that renders another picture of the trial. A picture that is late for another reason was computed slowly or
    lost its time before.
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
        return len({each.trial for each in self.late if self._is_behind(each)})

    def _is_behind(self, late: Late) -> bool:
        times = late.times
        late_s = times.waited_for_dit_s + (times.in_dit_s - self.dit_s if late.shares_worker else 0.0)
        return late_s > _LATE * self.dit_s


def measure(engines: Engines, workers: int, num_trials: int) -> Staggered:
    with timed_service(engines, dit_workers=workers) as timed_jobs:
        alone = min((timed_jobs.pictures([timed_jobs.submit()])[0] for _ in range(3)), key=lambda each: each.took_s)
        trials = [_trial(timed_jobs, workers, _APART * alone.in_dit_s) for _ in range(num_trials)]
    late = [
        Late(number, place, times, trial.workers.count(trial.workers[place]) > 1)
        for number, trial in enumerate(trials)
        for place, times in enumerate(trial.times)
        if times.took_s > alone.took_s + _LATE * alone.in_dit_s
    ]
    times_s = [[times.took_s for times in trial.times] for trial in trials]
    return Staggered(workers, alone.took_s, alone.in_dit_s, times_s, late)


@dataclass(frozen=True, slots=True)
class _Trial:
    """The pictures of one trial: the seconds of each, and the name of the DiT worker that rendered it."""

    times: Sequence[PictureTimes]
    workers: Sequence[str]


def _trial(timed_jobs: TimedJobs, workers: int, apart_s: float) -> _Trial:
    jobs = []
    for _ in range(workers):
        jobs.append(timed_jobs.submit())
        time.sleep(apart_s)
    return _Trial(timed_jobs.pictures(jobs), timed_jobs.dit_workers(jobs))
