"""Measures how long the embedded store takes to restart with many jobs: `python -m benchmarks.restart --records
100000`.
"""

import os
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from signal import SIGKILL

import click

from cli.stack.servers.valkey import Valkey
from shared.errors import StoreUnavailable
from shared.ids import Revision, WorkerId, new_job_id
from shared.jobs.spec import JobSpec, RenderSettings
from shared.jobs.states import Stage
from shared.store.core.connect import Client, connect
from shared.store.jobs.jobs import JobStore
from shared.store.renders.leases import LeaseRules, LeaseStore

_REVISION = Revision("r1")
_RULES = LeaseRules(ttl_s=6, prior_ready_limit_min=16)


@dataclass(frozen=True, slots=True)
class Restart:
    """Seconds from kill -9 to the first response and to the first claim, and the sizes of log and memory in MB."""

    response_s: float
    claim_s: float
    log_mb: float
    memory_mb: float

    def line(self, name: str) -> str:
        return (
            f"{name}: responds after {self.response_s:.2f} s, next claim after {self.claim_s:.2f} s, "
            f"log {self.log_mb:.0f} MB, memory {self.memory_mb:.0f} MB"
        )


@click.command()
@click.option("--records", type=click.IntRange(1), default=100_000, show_default=True, help="Jobs of one render.")
def main(records: int) -> None:
    """Fills a store, kills it with SIGKILL and restarts it: once with its log as it is, and once after a rewrite of
    the log.
    """
    with tempfile.TemporaryDirectory() as folder:
        server = Valkey(Path(folder))
        try:
            _measure(server, records)
        finally:
            server.stop()


def _measure(server: Valkey, records: int) -> None:
    client = connect(server.start())
    began_s = time.monotonic()
    _fill(client, records)
    click.echo(f"{records} jobs in {time.monotonic() - began_s:.0f} s")
    click.echo(_restart(server, client).line("log as it is"))
    _wait(lambda: not _is_rewriting(client))  # a rewrite that the store began by itself
    client.bgrewriteaof()
    _wait(lambda: not _is_rewriting(client))
    click.echo(_restart(server, client).line("log just rewritten"))


def _fill(client: Client, records: int) -> None:
    """Fills the store without syncing each write, because writes are not measured here."""
    client.config_set("appendfsync", "no")
    store = JobStore(client)
    settings = RenderSettings(prompt="a red kite over the sea", width_px=1024, height_px=1024)
    for seed in range(records):
        store.submit(new_job_id(), JobSpec(settings=settings, n=1, seed=seed))
    client.config_set("appendfsync", "always")


def _restart(server: Valkey, client: Client) -> Restart:
    log_mb = sum(file.stat().st_size for file in server.folder.rglob("appendonly.*")) / 1e6
    os.kill(client.info("server")["process_id"], SIGKILL)
    server.stop()
    began_s = time.monotonic()
    server.launch()
    response_s = time.monotonic() - began_s
    _wait(lambda: _claims(client))
    claim_s = time.monotonic() - began_s
    return Restart(response_s, claim_s, log_mb, client.info("memory")["used_memory"] / 1e6)


def _claims(client: Client) -> bool:
    try:
        return LeaseStore(client, _RULES).claim(Stage.AR, _REVISION, WorkerId("bench")) is not None
    except StoreUnavailable:
        return False


def _is_rewriting(client: Client) -> bool:
    info = client.info("persistence")
    return bool(info["aof_rewrite_in_progress"] or info["aof_rewrite_scheduled"])


def _wait(condition: Callable[[], bool]) -> None:
    while not condition():
        time.sleep(0.01)


if __name__ == "__main__":
    main()
