"""What metrics cost: CPU of all roles for a picture with a webhook, with metrics and without. `make bench-metrics`.

Two services run side by side and take turns, with engines that take no time. In the one without, counting does nothing
(`without_metrics`). Stores, receiver and clients are not counted.
"""

import json
import os
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median, quantiles
from urllib.parse import urlsplit

import click
import httpx
import psutil
from rich.console import Console
from rich.table import Table

from benchmarks.api.load import run
from benchmarks.receivers import Receivers
from benchmarks.report import machine
from cli.demo.service import service
from cli.stack.ports import free_ports

GOAL_MS = 0.3
_ROLES = ("api", "ar", "dit", "delivery", "batch", "upkeep")
_MODEL = "simulate:ar=0,dit=0"
_NUM_CLIENTS = 8
_NUM_SCRAPES = 20
_SETTLE_S = 1.0  # in which manifests are written
_LIMIT_S = 300
_WITHOUT = Path(__file__).with_name("without_metrics")


@dataclass(frozen=True)
class Side:
    """A running service and what its pictures cost."""

    url: str
    folder: Path
    ms: list[float] = field(default_factory=list)

    def measure(self, receivers: Receivers, num: int) -> float:
        """Returns milliseconds of CPU for a picture with a webhook."""
        port = urlsplit(self.url).port
        assert port
        receivers.clear()
        before_s = self.cpu_s()
        run(port, "/v1/jobs", lambda number: _body(number, receivers.url), num_clients=_NUM_CLIENTS, num_requests=num)
        receivers.wait_for(num, _LIMIT_S)
        time.sleep(_SETTLE_S)
        return 1000 * (self.cpu_s() - before_s) / num

    def cpu_s(self) -> float:
        """Returns the CPU time of all roles so far."""
        total_s = 0.0
        for role in _ROLES:
            process = psutil.Process(int((self.folder / "run" / f"{role}-0.pid").read_text()))
            for each in (process, *process.children(recursive=True)):
                times = each.cpu_times()
                total_s += times.user + times.system
        return total_s


def scrape_ms(side: Side, port: int) -> float:
    """Returns milliseconds of CPU of all roles for one look at all their pages."""
    before_s = side.cpu_s()
    for _ in range(_NUM_SCRAPES):
        httpx.get(f"http://127.0.0.1:{port}/metrics", trust_env=False, timeout=_LIMIT_S).raise_for_status()
    return 1000 * (side.cpu_s() - before_s) / _NUM_SCRAPES


def _body(number: int, url: str) -> bytes:
    job = {"prompt": f"kite {number}", "size": "256x256", "seed": number, "webhook_url": url}
    return json.dumps(job).encode()


@contextmanager
def _started(**changes: str) -> Iterator[Side]:
    """A service with these environment variables beside ours."""
    kept = dict(os.environ)
    os.environ.update(changes)
    with tempfile.TemporaryDirectory() as folder, service(Path(folder), _MODEL) as url:
        os.environ.clear()
        os.environ.update(kept)
        yield Side(url, Path(folder))


@click.command()
@click.option("--rounds", default=12, show_default=True, type=click.IntRange(2))
@click.option("--pictures", default=400, show_default=True, help="Of each side, in every round.")
@click.option("--out", type=click.Path(path_type=Path), default=Path("benchmarks/results"), show_default=True)
def main(rounds: int, pictures: int, out: Path) -> None:
    """Measures, prints, and writes OUT/metrics.json."""
    port, path = free_ports(1)[0], f"{_WITHOUT}{os.pathsep}{os.environ.get('PYTHONPATH', '')}"
    with ExitStack() as stack:
        receivers = stack.enter_context(Receivers())
        sides = {
            "without": stack.enter_context(_started(PYTHONPATH=path)),
            "with": stack.enter_context(_started(GRIDPRESS_METRICS_PORT=str(port))),
        }
        for side in sides.values():
            side.measure(receivers, pictures)  # connections, script caches and imports
        for number in range(rounds):
            for side in list(sides.values())[:: 1 if number % 2 else -1]:
                side.ms.append(side.measure(receivers, pictures))
        scrape = scrape_ms(sides["with"], port)
    report = _summary({name: side.ms for name, side in sides.items()})
    figures = {"pictures": pictures, "load": os.getloadavg(), "scrape_ms": scrape, "goal_ms": GOAL_MS, **report}
    (out / "metrics.json").write_text(json.dumps({"measured_on": machine(1), **figures}, indent=1) + "\n")
    _show(report, scrape)


def _summary(ms: Mapping[str, list[float]]) -> dict[str, list[float]]:
    differences = [ours - bare for ours, bare in zip(ms["with"], ms["without"], strict=True)]
    return {**ms, "difference": differences}


def _show(report: Mapping[str, list[float]], scrape: float) -> None:
    table = Table("CPU for a picture", "median ms", "middle half", "least to most")
    for name, values in report.items():
        low, _, high = quantiles(values, n=4)
        table.add_row(
            name, f"{median(values):.2f}", f"{low:.2f} to {high:.2f}", f"{min(values):.2f} to {max(values):.2f}"
        )
    console = Console()
    console.print(table)
    console.print(f"goal: a difference of {GOAL_MS} ms; one scrape of all roles: {scrape:.0f} ms")


if __name__ == "__main__":
    main()
