"""Submits the examples of the demo as jobs, waits until all of them have ended, and downloads the pictures."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from rich.console import Console

from cli.client import FINAL, Client, Json
from cli.demo.examples import Example
from cli.jobs.pictures import download_all
from cli.jobs.progress import StageBars


@dataclass(frozen=True, slots=True)
class Outcome:
    """The outcome of one example: its ended job, and the file of each picture that succeeded."""

    name: str
    job: Json
    files: tuple[tuple[Json, Path], ...]

    @property
    def total_s(self) -> float:
        """Returns the seconds from the submission of the job to its end, including the time in the queue."""
        start, end = (datetime.fromisoformat(self.job[name]) for name in ("created_at", "finished_at"))
        return (end - start).total_seconds()


def submit_all(client: Client, examples: Sequence[Example], webhook_url: str) -> dict[str, Json]:
    """Submits all examples as jobs whose webhooks go to `webhook_url`. Returns the jobs by the examples' names."""
    return {example.name: client.submit({**example.fields, "webhook_url": webhook_url}) for example in examples}


def finish_all(client: Client, accepted: dict[str, Json], out: Path, console: Console) -> list[Outcome]:
    """Waits until all jobs have ended, and downloads their pictures. Returns the outcomes.

    Meanwhile shows one progress bar for each stage. The files are `out/<name>.png`, or `out/<name>-<i>.png` for a job
    with several pictures.
    """
    names = {job["id"]: name for name, job in accepted.items()}
    jobs = {job["id"]: job for job in accepted.values()}
    with StageBars(jobs.values(), console) as bars:
        for seen in client.watch(names):
            ended = [job for job in seen.values() if job["status"] in FINAL and jobs[job["id"]]["status"] not in FINAL]
            for job in ended:
                console.print(f"{names[job['id']]}: {job['status']}", highlight=False)
            jobs = dict(seen)
            bars.show(jobs.values())
    return [_download(client, names[job_id], job, out) for job_id, job in jobs.items()]


def _download(client: Client, name: str, job: Json, out: Path) -> Outcome:
    return Outcome(name, job, tuple(download_all(client, job, out, stem=name)))
