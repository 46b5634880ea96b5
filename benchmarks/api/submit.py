"""Measures the latency and throughput of submissions beside a bare Flask route. `make bench-api`.

Client, store and API share the machine's cores. The API and the bare route take turns, so that a slow minute of the
machine affects both.
"""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median, quantiles

import click
from pydantic import SecretStr
from rich.console import Console
from rich.table import Table

from benchmarks.api.load import Load, run
from benchmarks.report import machine
from cli.stack.servers.valkey import Valkey
from shared.settings.settings import Settings
from tests.api.processes import served

NUM_CLIENTS = 50
GOAL_OF_BARE = 0.6
_NOWHERE = "http://127.0.0.1:9"  # the port of `discard`, because no object store runs here


def body(number: int) -> bytes:
    """Returns the body of a job with one picture."""
    return json.dumps({"prompt": f"a red kite over the sea, {number}", "size": "1024x1024", "seed": number}).encode()


@contextmanager
def bare(url: str) -> Iterator[int]:
    """Starts the bare route and yields its port."""
    command = [sys.executable, "-m", "benchmarks.api.bare"]
    environment = {**os.environ, "BARE_REDIS_URL": url}
    process = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True)  # noqa: S603 - our own
    assert process.stdout
    try:
        yield int(process.stdout.readline())
    finally:
        process.kill()
        process.communicate()


@contextmanager
def both() -> Iterator[dict[str, tuple[int, str]]]:
    """Yields the port and path of the API and of the bare route. Both use one store that syncs every write."""
    with tempfile.TemporaryDirectory() as folder:
        store = Valkey(Path(folder))
        url = store.start()
        nobody = {"s3_access_key": "nobody", "s3_secret_key": SecretStr("nothing")}
        settings = Settings(s3_endpoint_url=_NOWHERE, data_dir=Path(folder), **nobody)
        try:
            with served(settings, url, MAX_QUEUED_RENDERS=10_000_000) as api, bare(url) as port:
                yield {"gridpress": (api.port, "/v1/jobs"), "bare": (port, "/")}
        finally:
            store.stop()


def summary(loads: list[Load]) -> dict[str, float]:
    """Returns the medians over the rounds, and the percentiles over all requests."""
    latencies_s = [latency for load in loads for latency in load.latencies_s]
    cuts = quantiles(latencies_s, n=100)
    per_s = sorted(load.per_s for load in loads)
    return {
        "per_s": median(per_s),
        "per_s_least": per_s[0],
        "per_s_most": per_s[-1],
        "p50_ms": 1000 * cuts[49],
        "p99_ms": 1000 * cuts[98],
    }


@click.command()
@click.option("--rounds", default=5, show_default=True, type=click.IntRange(1))
@click.option(
    "--requests", "num_requests", default=2_000, show_default=True, help="Requests to each side in every round."
)
@click.option("--out", type=click.Path(path_type=Path), default=Path("benchmarks/results"), show_default=True)
def main(rounds: int, num_requests: int, out: Path) -> None:
    """Measures, prints, and writes OUT/api_submit.json."""
    with both() as places:
        loads: dict[str, list[Load]] = {name: [] for name in places}
        for number in range(rounds + 1):
            for name, (port, path) in places.items():
                load = run(port, path, body, num_clients=NUM_CLIENTS, num_requests=num_requests)
                if number:  # the first round warms up
                    loads[name].append(load)
    rows = {name: summary(of_name) for name, of_name in loads.items()}
    share = median(ours.per_s / theirs.per_s for ours, theirs in zip(loads["gridpress"], loads["bare"], strict=True))
    show(rows, share)
    figures = {**rows, "share_of_bare": share, "goal": GOAL_OF_BARE}
    report = {"measured_on": machine(1), "clients": NUM_CLIENTS, "figures": figures}
    (out / "api_submit.json").write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")


def show(rows: dict[str, dict[str, float]], share: float) -> None:
    table = Table(f"{NUM_CLIENTS} clients", "submits/s", "least to most", "p50 ms", "p99 ms")
    for name, row in rows.items():
        spread = f"{row['per_s_least']:.0f} to {row['per_s_most']:.0f}"
        table.add_row(name, f"{row['per_s']:.0f}", spread, f"{row['p50_ms']:.1f}", f"{row['p99_ms']:.1f}")
    console = Console()
    console.print(table)
    console.print(f"{share:.2f} of the bare route (goal {GOAL_OF_BARE})")


if __name__ == "__main__":
    main()
