"""Measures the overhead of a job: the time from acceptance to end in an idle service whose engines take no time.

python -m benchmarks.api.idle --jobs 200
"""

import json
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from statistics import median, quantiles

import click
import httpx
from rich.console import Console
from rich.table import Table

from cli.demo.service import service

_MODEL = "simulate:ar=0,dit=0"
_WARM_UP_JOBS = 10  # the first jobs open connections, load scripts and import modules
_GOALS_MS = {"p50": 25, "p99": 60}
_TIMEOUT_S = 30.0
_LAST = ("job.succeeded", "job.failed")


@dataclass(frozen=True, slots=True)
class Event:
    """An event of a job. `at_ms` is from the store's clock, which also stamps the ids of the event stream."""

    at_ms: int
    what: str


def run_job(client: httpx.Client, number: int) -> Sequence[Event]:
    """Submits a job and returns the events of its event stream, up to the job's end."""
    body = {"prompt": f"kite {number}", "size": "256x256", "seed": number}
    job = client.post("/v1/jobs", json=body).raise_for_status().json()
    with client.stream("GET", f"/v1/jobs/{job['id']}/events") as stream:
        return list(_events(stream.iter_lines()))


def _events(lines: Iterator[str]) -> Iterator[Event]:
    fields: dict[str, str] = {}
    for line in lines:
        name, _, value = line.partition(": ")
        fields[name] = value
        if name == "data":
            state = json.loads(value).get("state", fields["event"])
            yield Event(int(fields["id"].partition("-")[0]), state)
            if state in _LAST:
                return


def spans_ms(jobs: Sequence[Sequence[Event]]) -> Mapping[str, list[int]]:
    """Returns the milliseconds that the jobs spent between each pair of successive events."""
    spans: dict[str, list[int]] = {}
    for events in jobs:
        for before, after in pairwise(events):
            spans.setdefault(f"{before.what} to {after.what}", []).append(after.at_ms - before.at_ms)
    return spans


def show(jobs: Sequence[Sequence[Event]]) -> None:
    """Prints one line for each span, and the total time beside its goals."""
    table = Table("from, to", "p50 ms", "p99 ms")
    for name, values_ms in spans_ms(jobs).items():
        table.add_row(name, f"{median(values_ms):.0f}", f"{_p99(values_ms):.0f}")
    whole_ms = [events[-1].at_ms - events[0].at_ms for events in jobs]
    table.add_section()
    table.add_row("accepted to done", f"{median(whole_ms):.0f}", f"{_p99(whole_ms):.0f}")
    table.add_row("goal", str(_GOALS_MS["p50"]), str(_GOALS_MS["p99"]))
    Console().print(table)


def _p99(values_ms: Sequence[int]) -> float:
    return quantiles(values_ms, n=100, method="inclusive")[98]


@click.command()
@click.option("--jobs", "num_jobs", default=200, show_default=True, type=click.IntRange(2), help="One after another.")
def main(num_jobs: int) -> None:
    """Start a service and print the milliseconds of each part of a job."""
    with (
        tempfile.TemporaryDirectory() as folder,
        service(Path(folder), _MODEL) as url,
        httpx.Client(base_url=url, timeout=_TIMEOUT_S, trust_env=False) as client,
    ):
        jobs = [run_job(client, number) for number in range(_WARM_UP_JOBS + num_jobs)]
    show(jobs[_WARM_UP_JOBS:])


if __name__ == "__main__":
    main()
