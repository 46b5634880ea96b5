"""Measures pictures per second through the whole service, with engines that take no time, beside a bare two-task Celery
chain. `make bench-api`.

Both use one store that syncs every write. Gridpress's jobs are durable; the chain's messages are not.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from statistics import median
from urllib.parse import urlsplit

import click
from redis import Redis
from rich.console import Console
from rich.table import Table

from benchmarks.api.load import run
from benchmarks.api.submit import NUM_CLIENTS
from benchmarks.report import machine
from cli.demo.service import service
from cli.stack.servers.valkey import Valkey

GOAL_OF_CHAIN = 0.5
_MODEL = "simulate:ar=0,dit=0"
_POLL_S = 0.02
_LIMIT_S = 300


def body(number: int) -> bytes:
    """Returns the body of a job with one picture, which is so small that drawing it costs almost nothing."""
    return json.dumps({"prompt": f"kite {number}", "size": "256x256", "seed": number}).encode()


class Service:
    """Submits jobs to Gridpress by HTTP. A job is done when the store has recorded its end."""

    name = "gridpress"

    def __init__(self, url: str, store: Redis) -> None:
        port = urlsplit(url).port
        assert port
        self._port = port
        self._store = store

    def send(self, num_jobs: int) -> None:
        run(self._port, "/v1/jobs", body, num_clients=NUM_CLIENTS, num_requests=num_jobs)

    def num_done(self) -> int:
        return int(self._store.zcard("gridpress:finished"))


class Chain:
    """Sends chains to Celery with Celery's own producer."""

    name = "two-task chain"

    def __init__(self, store: Redis) -> None:
        from benchmarks.api import bare_chain  # noqa: PLC0415 - the import reads the store's address

        self._bare = bare_chain
        self._store = store

    def send(self, num_jobs: int) -> None:
        with self._bare.app.producer_pool.acquire() as producer:
            for number in range(num_jobs):
                self._bare.picture(number).apply_async(producer=producer)

    def num_done(self) -> int:
        return int(self._store.get(self._bare.DONE) or 0)


def per_s(side: Service | Chain, num_jobs: int) -> float:
    """Returns pictures per second, from the first submission to the last end."""
    target = side.num_done() + num_jobs
    began_s = time.perf_counter()
    side.send(num_jobs)
    _wait_until(lambda: side.num_done() >= target)
    return num_jobs / (time.perf_counter() - began_s)


def _wait_until(is_true: Callable[[], bool]) -> None:
    ends_s = time.monotonic() + _LIMIT_S
    while not is_true():
        assert time.monotonic() < ends_s, "not all pictures came through"
        time.sleep(_POLL_S)


@contextmanager
def chain_worker(queue: str) -> Iterator[None]:
    """Runs a Celery worker with as many threads as a simulated worker has slots."""
    command = [sys.executable, "-m", "celery", "-A", "benchmarks.api.bare_chain", "worker", "-Q", queue]
    options = ["--pool", "threads", "--concurrency", "8", "--without-gossip", "--without-mingle", "-n", f"{queue}@%h"]
    process = subprocess.Popen([*command, *options], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)  # noqa: S603
    try:
        yield
    finally:
        process.terminate()
        process.wait()


@contextmanager
def both() -> Iterator[tuple[Service, Chain]]:
    """Yields the service and the chain, with their workers running over one store."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        valkey = Valkey(folder / "store")
        url = valkey.start()
        stack.callback(valkey.stop)
        os.environ |= {"GRIDPRESS_REDIS_URL": url, "BARE_REDIS_URL": url}
        store = Redis.from_url(url)
        for queue in ("bare-ar", "bare-dit"):
            stack.enter_context(chain_worker(queue))
        yield Service(stack.enter_context(service(folder, _MODEL)), store), Chain(store)


@click.command()
@click.option("--rounds", default=3, show_default=True, type=click.IntRange(1))
@click.option("--jobs", "num_jobs", default=500, show_default=True, help="Jobs for each side in every round.")
@click.option("--out", type=click.Path(path_type=Path), default=Path("benchmarks/results"), show_default=True)
def main(rounds: int, num_jobs: int, out: Path) -> None:
    """Measures, prints, and writes OUT/api_throughput.json."""
    with both() as sides:
        for side in sides:
            per_s(side, num_jobs // 5)  # warms up connections, script caches and imports
        measured = [tuple(per_s(side, num_jobs) for side in sides) for _ in range(rounds)]
    rows = {side.name: [speeds[place] for speeds in measured] for place, side in enumerate(sides)}
    share = median(ours / theirs for ours, theirs in measured)
    table = Table("", "pictures/s", "least to most")
    for name, speeds in rows.items():
        table.add_row(name, f"{median(speeds):.0f}", f"{min(speeds):.0f} to {max(speeds):.0f}")
    console = Console()
    console.print(table)
    console.print(f"{share:.2f} of the chain (goal {GOAL_OF_CHAIN})")
    figures = {"per_s": rows, "share_of_chain": share, "goal": GOAL_OF_CHAIN}
    (out / "api_throughput.json").write_text(json.dumps({"measured_on": machine(1), **figures}, indent=1) + "\n")


if __name__ == "__main__":
    main()
