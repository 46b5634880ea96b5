"""Runs a service with simulated or real engines and times jobs by the store's clock."""

import os
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, fields
from datetime import datetime
from pathlib import Path
from statistics import mean, median
from typing import Any

from cli.client import Client
from cli.demo.service import service

_POLL_S = 0.2


@dataclass(frozen=True, slots=True)
class Engines:
    """The model that a measurement runs, and the picture that it requests.

    `most_workers` is the largest number of DiT workers that compute at full speed side by side on this machine. With
    `own_cores` each DiT worker has a core of its own, as it would have a GPU. The AR worker uses the free cores, or all
    cores if none is free.
    """

    model: str
    picture: Mapping[str, object]
    most_workers: int
    own_cores: bool = False


@dataclass(frozen=True, slots=True)
class EstimatedJob:
    """A submitted job with its estimate: the seconds until its end."""

    job_id: str
    eta_s: float | None


@dataclass(frozen=True, slots=True)
class PictureTimes:
    """The seconds of a picture from its submission to its end, and the parts of this time.

    A picture that a busy worker prepares ahead waits there, so its time in the DiT is longer than that of others.
    """

    took_s: float
    waited_for_ar_s: float
    in_ar_s: float
    waited_for_dit_s: float
    in_dit_s: float

    @classmethod
    def of(cls, job: Mapping[str, Any]) -> "PictureTimes":
        """Returns the times of a job with one picture, from the API's response."""
        took_s, timings = _seconds(job["created_at"], job["finished_at"]), job["images"][0]["timings"]
        waited_s, in_ar_s, in_dit_s = _seconds(job["created_at"], job["started_at"]), timings["ar_s"], timings["dit_s"]
        return cls(took_s, waited_s, in_ar_s, took_s - waited_s - in_ar_s - in_dit_s, in_dit_s)


def medians(pictures: Sequence[PictureTimes]) -> Mapping[str, float]:
    """Returns the median seconds of each part of the pictures' times, by its name."""
    return {each.name: median(getattr(times, each.name) for times in pictures) for each in fields(PictureTimes)}


class TimedJobs:
    """Submits jobs and measures how long they take."""

    def __init__(self, client: Client, picture: Mapping[str, object], run_dir: Path) -> None:
        self._client = client
        self._picture = picture
        self._run_dir = run_dir

    def submit(self, *, priority: str = "interactive", n: int = 1) -> str:
        return self.submit_for_estimate(priority=priority, n=n).job_id

    def submit_for_estimate(self, *, priority: str = "interactive", n: int = 1) -> EstimatedJob:
        job = self._client.submit({**self._picture, "priority": priority, "n": n})
        eta_s = job["eta_s"]
        return EstimatedJob(str(job["id"]), None if eta_s is None else float(eta_s))

    def took_s(self, job_ids: Sequence[str]) -> list[float]:
        """Waits for the jobs. Returns the seconds from submission to end of each, in the same order."""
        jobs = self._ended(job_ids)
        return [_seconds(job["created_at"], job["finished_at"]) for job in jobs]

    def pictures(self, job_ids: Sequence[str]) -> list[PictureTimes]:
        """Waits for the jobs, of one picture each. Returns the times of each, in the same order."""
        return [PictureTimes.of(job) for job in self._ended(job_ids)]

    def dit_workers(self, job_ids: Sequence[str]) -> list[str]:
        """Returns the name of the DiT worker that rendered each job, of one picture each, from the workers' logs."""
        claims = {log.stem: _claims(log) for log in self._run_dir.glob("dit*.log")}
        return [next(name for name, lines in claims.items() if any(job in line for line in lines)) for job in job_ids]

    def alone_dit_s(self, num: int) -> float:
        """Renders `num` pictures one after the other. Returns the mean seconds of a picture in the DiT."""
        return mean(self.pictures([self.submit()])[0].in_dit_s for _ in range(num))

    def num_done(self, job_ids: Sequence[str]) -> int:
        """Returns how many pictures of these jobs are done."""
        jobs = [self._client.job(job_id) for job_id in job_ids]
        return sum(image["status"] == "succeeded" for job in jobs for image in job["images"])

    def cancel(self, job_ids: Sequence[str]) -> None:
        for job_id in job_ids:
            self._client.cancel(job_id)

    def wait_until_done(self, job_ids: Sequence[str], number: int) -> None:
        while self.num_done(job_ids) < number:
            time.sleep(_POLL_S)

    def _ended(self, job_ids: Sequence[str]) -> Sequence[Mapping[str, Any]]:
        *_, jobs = self._client.watch(job_ids)
        return [jobs[job_id] for job_id in job_ids]


def _seconds(since: object, until: object) -> float:
    return (datetime.fromisoformat(str(until)) - datetime.fromisoformat(str(since))).total_seconds()


def _claims(log: Path) -> list[str]:
    return [line for line in log.read_text(encoding="utf-8").splitlines() if "render.claimed" in line]


def _pin(run_dir: Path, cores: Sequence[int]) -> None:
    """Keeps each DiT worker on a core of its own, from the last core down, and AR on the others, if any."""
    workers = sorted(run_dir.glob("dit*.pid"))
    own = list(reversed(cores))[: len(workers)]
    for pid_file, core in zip(workers, own, strict=True):
        _set_cores(pid_file, {core})
    left = set(cores) - set(own) or set(cores)
    for pid_file in run_dir.glob("ar*.pid"):
        _set_cores(pid_file, left)


def _set_cores(pid_file: Path, cores: set[int]) -> None:
    """Limits every thread of a process to some cores. Threads that it starts later inherit the limit."""
    for thread in Path("/proc", pid_file.read_text(encoding="utf-8").strip(), "task").iterdir():
        os.sched_setaffinity(int(thread.name), cores)


@contextmanager
def timed_service(engines: Engines, *, dit_workers: int = 1, ar_slots: int = 4) -> Iterator[TimedJobs]:
    """Runs one AR worker of `ar_slots` rows and some DiT workers, in a temporary folder."""
    os.environ["GRIDPRESS_AR_SLOTS"] = str(ar_slots)
    os.environ.setdefault("OMP_NUM_THREADS", "1")  # real engines of several workers share the cores
    workers = ("--dit-workers", str(dit_workers))
    with (
        tempfile.TemporaryDirectory() as folder,
        service(Path(folder), engines.model, workers) as url,
        Client(url) as client,
    ):
        run_dir = Path(folder) / "run"
        if engines.own_cores:
            _pin(run_dir, sorted(os.sched_getaffinity(0)))
        yield TimedJobs(client, engines.picture, run_dir)
