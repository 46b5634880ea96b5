"""Measures a thousand clients that wait at one API: memory per client, and the delay until a client learns of a job's
end. `make bench-held`.

Half of the clients follow an event stream; the other half submit a job and wait for its end. Jobs end by cancellation
in the store, so no render takes time. Clients, store and API share the machine's cores.
"""

import asyncio
import json
import statistics
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import click
import httpx
from pydantic import SecretStr
from rich.console import Console
from rich.table import Table

from benchmarks.report import machine
from cli.stack.servers.valkey import Valkey
from shared.ids import DEFAULT_TENANT, JobId, new_job_id
from shared.jobs.spec import JobSpec, RenderSettings
from shared.settings.settings import Settings
from shared.store.core.connect import Client, connect
from shared.store.jobs.jobs import JobStore
from tests.api.connections import Ended, Held
from tests.api.processes import Served, served
from tests.attack.neighbours import memory_mib

Rows = dict[str, float]


_NUM_ONE_BY_ONE = 200
_NUM_OTHER_REQUESTS = 300
_WAIT_S = 600
_NOWHERE = "http://127.0.0.1:9"  # the port of `discard`, because no object store runs here


@click.command()
@click.option("--connections", default=1_000, show_default=True)
@click.option("--out", type=click.Path(path_type=Path), default=Path("benchmarks/results"), show_default=True)
def main(connections: int, out: Path) -> None:
    """Measures, prints, and writes OUT/api_held.json."""
    with service() as (api, client):
        rows = asyncio.run(Benchmark(api, client, connections).run())
    show(rows)
    report = {"measured_on": machine(1), "connections": connections, "figures": rows}
    (out / "api_held.json").write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")


@contextmanager
def service() -> Iterator[tuple[Served, Client]]:
    """Yields an API with an empty store. No object store runs, because the benchmark does not need one."""
    with tempfile.TemporaryDirectory() as folder:
        store = Valkey(Path(folder))
        url = store.start()
        try:
            nobody = {"s3_access_key": "nobody", "s3_secret_key": SecretStr("nothing")}
            settings = Settings(s3_endpoint_url=_NOWHERE, data_dir=Path(folder), **nobody)
            with served(settings, url) as api:
                yield api, connect(url)
        finally:
            store.stop()


class Benchmark:
    """Holds `num` connections at one API and measures memory and delays."""

    def __init__(self, api: Served, client: Client, num: int) -> None:
        self._api = api
        self._client = client
        self._store = JobStore(client)
        self._num_each = num // 2
        self._cancelled_at: dict[str, float] = {}
        self._ended: list[Ended] = []
        self._listening: list[asyncio.Task[None]] = []

    async def run(self) -> Rows:
        await self._small_requests()  # warms up
        rows = percentiles("other requests, nobody waiting", await self._small_requests())
        before = self._memory()
        held = await self._hold()
        await self._all_watched()
        rows["memory of a held connection, KiB"] = (self._memory() - before) / 1024 / len(held)
        rows["memory of all processes, MiB"] = self._memory() / 1024 / 1024
        rows["subscriptions"] = len(self._client.client_list(_type="pubsub"))
        rows |= percentiles("other requests, all waiting", await self._small_requests())
        self._listening = [asyncio.ensure_future(listen) for listen in held]
        job_ids = [job.job_id for job in self._store.jobs(DEFAULT_TENANT, limit=10_000, after=None)]
        await self._end(job_ids[::2][:_NUM_ONE_BY_ONE], pause_s=0.02)
        rows |= percentiles("end of a job, one by one", self._latencies())
        rest = [job_id for job_id in job_ids if job_id not in self._cancelled_at]
        await self._end(rest, pause_s=0)
        await asyncio.gather(*self._listening)
        rows |= percentiles("end of a job, all at once", self._latencies()[_NUM_ONE_BY_ONE:])
        return rows

    def _memory(self) -> int:
        return int(memory_mib(self._api.process.pid) * 1024 * 1024)

    async def _hold(self) -> list[Awaitable[None]]:
        jobs = await asyncio.to_thread(lambda: [self._submit() for _ in range(self._num_each)])
        streams = [await Held.stream(self._api.port, job) for job in jobs]
        body = {"prompt": "a red kite"}
        waits = [await Held.wait(self._api.port, body, _WAIT_S) for _ in range(self._num_each)]
        followed = [self._wait_for_stream(stream.last_event(job)) for stream, job in zip(streams, jobs, strict=True)]
        return [*followed, *(self._wait_for_response(wait) for wait in waits)]

    async def _wait_for_stream(self, end: Awaitable[Ended]) -> None:
        self._ended.append(await end)

    async def _wait_for_response(self, wait: Held) -> None:
        ended, _ = await wait.answer()
        self._ended.append(ended)

    def _submit(self) -> JobId:
        spec = JobSpec(settings=RenderSettings(prompt="a red kite", width_px=256, height_px=256), n=1, seed=1)
        return self._store.submit(new_job_id(), spec).job_id

    async def _all_watched(self) -> None:
        while len(self._client.pubsub_channels("gridpress:events:*")) < 2 * self._num_each:
            await asyncio.sleep(0.05)

    async def _small_requests(self) -> list[float]:
        """Returns the seconds that each of 300 small requests takes.

        Each request lists one job, which reads the store.
        """

        def ask() -> list[float]:
            with self._api.client() as http:
                return [timed(lambda: http.get("/v1/jobs?limit=1")) for _ in range(_NUM_OTHER_REQUESTS)]

        return await asyncio.to_thread(ask)

    async def _end(self, job_ids: Sequence[JobId], pause_s: float) -> None:
        expected = len(self._ended) + len(job_ids)
        for job_id in job_ids:
            self._cancelled_at[job_id] = time.perf_counter()
            await asyncio.to_thread(self._store.cancel, job_id, DEFAULT_TENANT)
            await asyncio.sleep(pause_s)
        while len(self._ended) < expected:
            for task in self._listening:
                if task.done():
                    task.result()  # raises the error that ended the task; otherwise this loop would wait forever
            await asyncio.sleep(0.01)

    def _latencies(self) -> list[float]:
        return [ended.at_s - self._cancelled_at[ended.job_id] for ended in self._ended]


def timed(ask: Callable[[], httpx.Response]) -> float:
    started = time.perf_counter()
    ask().raise_for_status()
    return time.perf_counter() - started


def percentiles(name: str, seconds: Sequence[float]) -> Rows:
    cuts = statistics.quantiles(seconds, n=100)
    return {f"{name}, p50 ms": cuts[49] * 1000, f"{name}, p99 ms": cuts[98] * 1000}


def show(rows: Rows) -> None:
    table = Table("", "measured")
    for name, value in rows.items():
        table.add_row(name, f"{value:.1f}")
    Console().print(table)


if __name__ == "__main__":
    main()
