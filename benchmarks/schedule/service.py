"""Runs a service with simulated engines and times jobs by the store's clock."""

import os
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from cli.client import Client
from cli.demo.service import service

_PICTURE = {"prompt": "a red kite", "size": "256x256", "num_inference_steps": 4}
_POLL_S = 0.2


@dataclass(frozen=True, slots=True)
class EstimatedJob:
    """A submitted job with its estimate: the seconds until its end."""

    job_id: str
    eta_s: float | None


class TimedJobs:
    """Submits jobs and measures how long they take."""

    def __init__(self, client: Client) -> None:
        self._client = client

    def submit(self, *, priority: str = "interactive", n: int = 1) -> str:
        return self.submit_for_estimate(priority=priority, n=n).job_id

    def submit_for_estimate(self, *, priority: str = "interactive", n: int = 1) -> EstimatedJob:
        job = self._client.submit({**_PICTURE, "priority": priority, "n": n})
        eta_s = job["eta_s"]
        return EstimatedJob(str(job["id"]), None if eta_s is None else float(eta_s))

    def took_s(self, job_ids: Sequence[str]) -> list[float]:
        """Waits for the jobs. Returns the seconds from submission to end of each, in the same order."""
        *_, jobs = self._client.watch(job_ids)
        return [_seconds(jobs[job_id]["created_at"], jobs[job_id]["finished_at"]) for job_id in job_ids]

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


def _seconds(since: object, until: object) -> float:
    return (datetime.fromisoformat(str(until)) - datetime.fromisoformat(str(since))).total_seconds()


@contextmanager
def simulated(model: str, *, dit_workers: int = 1, ar_slots: int = 4) -> Iterator[TimedJobs]:
    """Runs one AR worker of `ar_slots` rows and some DiT workers, in a temporary folder."""
    os.environ["GRIDPRESS_AR_SLOTS"] = str(ar_slots)
    workers = ("--dit-workers", str(dit_workers))
    with tempfile.TemporaryDirectory() as folder, service(Path(folder), model, workers) as url, Client(url) as client:
        yield TimedJobs(client)
