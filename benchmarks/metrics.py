"""Measures the CPU time of metrics: all roles, for a picture with a webhook, with and without metrics.

`make bench-metrics`. One service runs with engines that take no time. Metrics are switched on and off between blocks of
pictures, so both sides are the same processes in the same minutes (`switched_metrics`). CPU time of stores, receiver
and clients is not counted.
"""

import json
import math
import os
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean, median, quantiles, stdev
from urllib.parse import urlsplit

import click
import httpx
import psutil
from rich.console import Console
from rich.progress import track
from rich.table import Table

from benchmarks.api.load import run
from benchmarks.receivers import Receivers
from benchmarks.report import machine
from cli.demo.service import service
from cli.stack.ports import free_ports

GOAL_MS = 0.3
_ROLES = ("api", "ar", "dit", "delivery", "batch", "upkeep")
_ORDER = (True, False, False, True)  # in this order a drift over time affects both sides equally
_MODEL = "simulate:ar=0,dit=0"
_NUM_CLIENTS = 8
_NUM_SCRAPES = 20
_SETTLE_S = 0.5  # time to write the manifests
_LIMIT_S = 300
_SWITCHED = Path(__file__).with_name("switched_metrics")


@dataclass(frozen=True, slots=True)
class Subject:
    """The service under test, with a switch for its metrics."""

    url: str
    metrics_port: int
    folder: Path
    switch: Path

    def turn(self, *, is_on: bool) -> None:
        with self.switch.open("r+b") as file:
            file.write(bytes([is_on]))

    def measure(self, receivers: Receivers, num: int) -> float:
        """Returns milliseconds of CPU time for a picture with a webhook."""
        port = urlsplit(self.url).port
        assert port
        receivers.clear()
        before = self.cpu_ns()
        run(port, "/v1/jobs", lambda number: _body(number, receivers.url), num_clients=_NUM_CLIENTS, num_requests=num)
        receivers.wait_for(num, _LIMIT_S)
        time.sleep(_SETTLE_S)
        return spent_ms(before, self.cpu_ns()) / num

    def scrape_ms(self) -> float:
        """Returns the CPU milliseconds of all roles for one scrape of all their pages."""
        before = self.cpu_ns()
        for _ in range(_NUM_SCRAPES):
            page = httpx.get(f"http://127.0.0.1:{self.metrics_port}/metrics", trust_env=False, timeout=_LIMIT_S)
            page.raise_for_status()
        return spent_ms(before, self.cpu_ns()) / _NUM_SCRAPES

    def cpu_ns(self) -> dict[str, int]:
        """Returns the CPU time of every thread of every role in nanoseconds.

        The kernel's schedstat is used, because psutil's resolution is 10 ms.
        """
        threads: dict[str, int] = {}
        for role in _ROLES:
            process = psutil.Process(int((self.folder / "run" / f"{role}-0.pid").read_text()))
            for each in (process, *process.children(recursive=True)):
                for task in Path(f"/proc/{each.pid}/task").iterdir():
                    with suppress(OSError):  # the thread has just ended
                        threads[task.name] = int((task / "schedstat").read_text().split()[0])
        return threads


def spent_ms(before: Mapping[str, int], after: Mapping[str, int]) -> float:
    return sum(ns - before.get(thread, 0) for thread, ns in after.items()) / 1e6


def _body(number: int, url: str) -> bytes:
    job = {"prompt": f"kite {number}", "size": "256x256", "seed": number, "webhook_url": url}
    return json.dumps(job).encode()


@contextmanager
def started() -> Iterator[Subject]:
    """Starts the service with metrics and the switch, and yields both."""
    with tempfile.TemporaryDirectory() as folder:
        subject = Subject("", free_ports(1)[0], Path(folder), Path(folder) / "switch")
        subject.switch.write_bytes(b"\1")
        path = os.pathsep.join(filter(None, (str(_SWITCHED), os.environ.get("PYTHONPATH"))))
        port = str(subject.metrics_port)
        os.environ |= {"PYTHONPATH": path, "METRICS_SWITCH": str(subject.switch), "GRIDPRESS_METRICS_PORT": port}
        with service(Path(folder), _MODEL) as url:
            yield Subject(url, subject.metrics_port, subject.folder, subject.switch)


@click.command()
@click.option("--rounds", default=40, show_default=True, type=click.IntRange(2), help="Rounds of four blocks.")
@click.option("--pictures", default=50, show_default=True, help="Pictures of a block.")
@click.option("--out", type=click.Path(path_type=Path), default=Path("benchmarks/results"), show_default=True)
def main(rounds: int, pictures: int, out: Path) -> None:
    """Measures, prints, and writes OUT/metrics.json."""
    ms: dict[bool, list[float]] = {True: [], False: []}
    with Receivers() as receivers, started() as subject:
        subject.measure(receivers, 4 * pictures)  # warms up connections, script caches and imports
        for _ in track(range(rounds), "measuring", transient=True):
            for is_on in _ORDER:
                subject.turn(is_on=is_on)
                ms[is_on].append(subject.measure(receivers, pictures))
        subject.turn(is_on=True)
        scrape = subject.scrape_ms()
    rows = {"with": ms[True], "without": ms[False], "difference": _differences(ms)}
    figures = {"pictures": pictures, "load": os.getloadavg(), "scrape_ms": scrape, "goal_ms": GOAL_MS, "ms": rows}
    (out / "metrics.json").write_text(json.dumps({"measured_on": machine(1), **figures}, indent=1) + "\n")
    _show(rows, scrape)


def _differences(ms: Mapping[bool, list[float]]) -> list[float]:
    """Returns the difference between both sides in each round of four blocks."""
    return [fmean(ms[True][i : i + 2]) - fmean(ms[False][i : i + 2]) for i in range(0, len(ms[True]), 2)]


def _show(rows: Mapping[str, list[float]], scrape: float) -> None:
    table = Table("CPU for a picture, ms", "mean", "standard error", "median", "middle half", "least to most")
    for name, values in rows.items():
        low, _, high = quantiles(values, n=4)
        error = stdev(values) / math.sqrt(len(values))
        figures = (fmean(values), error, median(values), f"{low:.2f} to {high:.2f}")
        least_to_most = f"{min(values):.2f} to {max(values):.2f}"
        table.add_row(name, *(one if isinstance(one, str) else f"{one:.2f}" for one in figures), least_to_most)
    console = Console()
    console.print(table)
    console.print(f"goal: a difference of {GOAL_MS} ms; one scrape of all roles: {scrape:.1f} ms")


if __name__ == "__main__":
    main()
