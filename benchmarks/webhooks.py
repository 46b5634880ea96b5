"""Measures one delivery process: deliveries per second, and the delay of a webhook while a thousand receivers are dead
or misbehave. `make bench-webhooks`.

The delay counts from the commit of an event to the arrival of its first request. Jobs end by cancellation in the store.
Receivers, store, delivery process and this process share the machine's cores.
"""

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from itertools import cycle
from pathlib import Path

import click
from rich.console import Console
from rich.table import Table

from benchmarks.bad_receivers import bad_receivers
from benchmarks.receivers import Receivers, refusing_url
from benchmarks.report import machine
from cli.stack.servers.valkey import Valkey
from shared.celery_app import make_celery
from shared.egress.rules import LOOPBACK
from shared.hints.queues import Queue
from shared.ids import TenantId, new_job_id
from shared.jobs.spec import JobSpec, RenderSettings
from shared.store.core.connect import Client, connect
from shared.store.endpoints.endpoints import EndpointChanges, EndpointStore
from shared.store.jobs.jobs import JobStore
from shared.store.queues.hints import Hints
from shared.store.queues.upkeep import UpkeepStore
from shared.webhooks.secrets import new_secret

_NUM_HEALTHY = 10
_BACKLOG = 3  # events that wait for each dead receiver
_NOWHERE = "http://127.0.0.1:9"  # the port of `discard`; manifests are not measured
_LIMIT_S = 120
Row = dict[str, float]


@click.command()
@click.option("--dead", default=1_000, show_default=True)
@click.option("--deliveries", default=3_000, show_default=True, help="Deliveries of the throughput measurement.")
@click.option("--seconds", default=30, show_default=True, help="Duration of each latency measurement.")
@click.option("--rate", default=20, show_default=True, help="Events per second in each latency measurement.")
@click.option("--out", type=click.Path(path_type=Path), default=Path("benchmarks/results"), show_default=True)
def main(dead: int, deliveries: int, seconds: int, rate: int, out: Path) -> None:
    """Measures, prints, and writes OUT/webhooks.json."""
    with Receivers() as receivers:
        rows = {"throughput": throughput(receivers, deliveries)}
        plan = Plan(receivers, dead, seconds * rate, rate)
        rows["no dead receiver"] = plan.latencies([])
        rows[f"{dead} refuse"] = plan.latencies([refusing_url()])
        rows[f"{dead} hang, known"] = plan.latencies([receivers.hanging_url])
        rows[f"{dead} hang, from the start"] = plan.latencies([receivers.hanging_url], settle_s=0)
        rows[f"never seen, beside {dead} never seen that hang"] = plan.first_meetings(num_tenants=dead)
        rows["the same, those that hang of one tenant"] = plan.first_meetings(num_tenants=1)
        with bad_receivers() as urls:
            rows["hints, two busy processes"], rows[f"hints, a burst of {dead} bad ones"] = plan.bursts(urls)
    show(rows)
    report = {"measured_on": machine(1), "load": os.getloadavg(), "rows": rows}
    (out / "webhooks.json").write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")


def throughput(receivers: Receivers, num: int) -> Row:
    """Measures deliveries per second: one process works off a backlog for ten receivers."""
    with store() as (url, client):
        tenants = WebhookTenants(client, [receivers.url] * _NUM_HEALTHY)
        for number in range(num):
            tenants.end_job(number)
        receivers.clear()
        with delivering(url):
            moments = receivers.wait_for(num, _LIMIT_S)
        taken_s = max(moments.values()) - min(moments.values())
        return {"deliveries_s": len(moments) / taken_s}


class Plan:
    """Measures the latency of the same load on ten healthy receivers, beside different other receivers."""

    def __init__(self, receivers: Receivers, num_dead: int, num: int, rate: int) -> None:
        self._receivers = receivers
        self._num_dead = num_dead
        self._num = num
        self._rate = rate

    def latencies(self, dead_urls: Sequence[str], *, settle_s: float = 40) -> Row:
        """Returns milliseconds from just before the commit of an event to the arrival of its request.

        Within `settle_s` the delivery process can find out which receivers are dead.
        """
        with store() as (url, client), delivering(url):
            healthy = self._proven(client)
            if dead_urls:
                dead = WebhookTenants(client, (list(dead_urls) * self._num_dead)[: self._num_dead])
                for number in range(_BACKLOG * self._num_dead):
                    dead.end_job(number)
                time.sleep(settle_s)
            return self._measured(healthy)

    def first_meetings(self, num_tenants: int) -> Row:
        """Measures the same latency, but each event is the first one for its receiver.

        The hanging receivers are new as well.
        """
        with store() as (url, client), delivering(url):
            newcomers = WebhookTenants(client, [self._receivers.url] * self._num)
            dead = WebhookTenants(client, [self._receivers.hanging_url] * self._num_dead, num_tenants)
            for number in range(self._num_dead if num_tenants > 1 else 1):
                dead.end_job(number)
            return self._measured(newcomers)

    def bursts(self, bad_urls: Sequence[str]) -> tuple[Row, Row]:
        """Measures latency beside two processes that only compute, and from the moment when all bad receivers get their
        first event.

        A hint wakes the delivery process for each event, so the result does not depend on the polling interval.
        """
        with store() as (url, client), delivering(url):
            hints = Hints(make_celery(url), UpkeepStore(client))
            healthy = self._proven(client)

            def measured() -> Row:
                return self._measured(healthy, lambda: hints.send_one(Queue.DELIVERY))

            with busy():
                beside_load = measured()
            WebhookTenants(client, (list(bad_urls) * self._num_dead)[: self._num_dead], num_tenants=1).end_job(0)
            return beside_load, measured()

    def _proven(self, client: Client) -> "WebhookTenants":
        """Creates the ten healthy receivers and sends one webhook to each."""
        tenants = WebhookTenants(client, [self._receivers.url] * _NUM_HEALTHY)
        self._receivers.clear()
        for number in range(_NUM_HEALTHY):
            tenants.end_job(number)
        self._receivers.wait_for(_NUM_HEALTHY, _LIMIT_S)
        return tenants

    def _measured(self, healthy: "WebhookTenants", hint: Callable[[], object] = lambda: None) -> Row:
        self._receivers.clear()
        begun = {}
        start_s = time.time()
        for number in range(self._num):
            time.sleep(max(0.0, start_s + number / self._rate - time.time()))
            at_s = time.time()
            begun[healthy.end_job(number)] = at_s
            hint()
        moments = self._receivers.wait_for(self._num, _LIMIT_S)
        waits_ms = [1000 * (moments[name] - at_s) for name, at_s in begun.items()]
        percents = statistics.quantiles(waits_ms, n=100)
        return {"p50_ms": percents[49], "p99_ms": percents[98], "max_ms": max(waits_ms)}


class WebhookTenants:
    """Tenants with webhook endpoints, and jobs that end.

    Each tenant has one endpoint, or a few tenants share all endpoints. The end of a job is sent to all endpoints of its
    tenant.
    """

    def __init__(self, client: Client, urls: Sequence[str], num_tenants: int | None = None) -> None:
        self._client = client
        self._jobs = JobStore(client)
        self._tenants = [TenantId(f"t{os.urandom(6).hex()}") for _ in range(num_tenants or len(urls))]
        endpoints = EndpointStore(client)
        for tenant, url in zip(cycle(self._tenants), urls, strict=False):
            endpoints.create(tenant, url, new_secret(), EndpointChanges(), most=len(urls))

    def end_job(self, number: int) -> str:
        """Submits and cancels one job of one of the tenants, which take turns. Returns the webhook's id."""
        tenant, job_id = self._tenants[number % len(self._tenants)], new_job_id()
        settings = RenderSettings(prompt="a red kite over the sea", width_px=1024, height_px=1024)
        self._jobs.submit(job_id, JobSpec(settings=settings, n=1, seed=7, tenant=tenant))
        self._jobs.cancel(job_id, tenant)
        self._client.zrem("gridpress:manifests", job_id)
        return f"evt_{job_id.removeprefix('job_')}_job_cancelled"


@contextmanager
def store() -> Iterator[tuple[str, Client]]:
    """Starts an empty store and yields its URL and client."""
    with tempfile.TemporaryDirectory() as folder:
        server = Valkey(Path(folder))
        url = server.start()
        try:
            yield url, connect(url)
        finally:
            server.stop()


@contextmanager
def delivering(redis_url: str) -> Iterator[None]:
    """Runs one delivery process with default settings, except that receivers on this machine are allowed."""
    with ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory())
        ready = Path(folder) / "ready"
        given: Mapping[str, str] = {
            "REDIS_URL": redis_url,
            "S3_ENDPOINT_URL": _NOWHERE,
            "S3_ACCESS_KEY": "x",
            "S3_SECRET_KEY": "x",
            "DATA_DIR": folder,
            "READY_FILE": str(ready),
            "EGRESS_ALLOW_WHILE_OPEN": LOOPBACK,
        }
        env = {**os.environ, **{f"GRIDPRESS_{name}": value for name, value in given.items()}}
        process = subprocess.Popen([sys.executable, "-m", "workers.delivery"], env=env, stderr=subprocess.DEVNULL)
        stack.callback(process.wait)
        stack.callback(process.kill)
        while not ready.exists():
            assert process.poll() is None, "the delivery process ended"
            time.sleep(0.05)
        yield


@contextmanager
def busy() -> Iterator[None]:
    """Runs two processes that only compute."""
    processes = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(2)]
    try:
        yield
    finally:
        for process in processes:
            process.kill()
            process.wait()


def show(rows: Mapping[str, Row]) -> None:
    """Prints the rows as a table."""
    table = Table("", "deliveries/s", "p50 ms", "p99 ms", "max ms")
    for name, row in rows.items():
        figures = (row.get(key) for key in ("deliveries_s", "p50_ms", "p99_ms", "max_ms"))
        table.add_row(name, *("" if figure is None else f"{figure:,.0f}" for figure in figures))
    Console().print(table)


if __name__ == "__main__":
    main()
