"""Measures the time of a claim and of a submission while many renders wait: `make bench-dispatch`, about a minute."""

import json
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import quantiles

import click
from rich.console import Console
from rich.table import Table

from benchmarks.report import machine
from cli.stack.servers.valkey import Valkey
from shared.hints.queues import Queue
from shared.ids import Revision, TenantId, WorkerId, new_job_id
from shared.jobs.spec import JobSpec, Priority, RenderSettings
from shared.jobs.states import Stage
from shared.store.core.connect import Client, connect
from shared.store.jobs.jobs import JobStore
from shared.store.renders.leases import Announcement, LeaseRules, LeaseStore

_REVISION = Revision("r1")
_WORKER = WorkerId("bench")
_RULES = LeaseRules(ttl_s=60, prior_ready_limit_min=16)
_RENDERS_EACH = 10  # renders of each waiting job
_SETTINGS = RenderSettings(prompt="a red kite over the sea", width_px=1024, height_px=1024)


@dataclass(frozen=True, slots=True)
class Row:
    """Milliseconds of one call over a socket while `waiting` renders of `tenants` tenants wait."""

    waiting: int
    tenants: int
    claim_p50_ms: float
    claim_p99_ms: float
    submit_p50_ms: float
    submit_p99_ms: float
    bytes_a_render: float


def measure(client: Client, waiting: int, tenants: int, calls: int) -> Row:
    """Fills an empty store and times claims and submissions.

    Each claim is handed back and each submission cancelled, so that the queue keeps its length.
    """
    client.execute_command("FLUSHALL", "SYNC")
    jobs, leases = JobStore(client), LeaseStore(client, _RULES)
    leases.beat(Announcement(_WORKER, Queue.AR, 8, _REVISION), [])
    empty_bytes = client.info("memory")["used_memory"]
    for number in range(waiting // _RENDERS_EACH):
        jobs.submit(new_job_id(), _spec(number % tenants, _RENDERS_EACH))
    filled_bytes = client.info("memory")["used_memory"]
    claims_ms = [_claim_ms(leases) for _ in range(calls)]
    submits_ms = [_submit_ms(jobs, number % tenants) for number in range(calls)]
    return Row(
        waiting, tenants, *_percentiles(claims_ms), *_percentiles(submits_ms), (filled_bytes - empty_bytes) / waiting
    )


def _spec(tenant: int, n: int) -> JobSpec:
    return JobSpec(settings=_SETTINGS, n=n, seed=1, tenant=TenantId(f"t{tenant}"), priority=Priority.BATCH)


def _claim_ms(leases: LeaseStore) -> float:
    began_s = time.perf_counter()
    claim = leases.claim(Stage.AR, _REVISION, _WORKER)
    elapsed_s = time.perf_counter() - began_s
    assert claim
    leases.hand_back(claim.lease)
    return elapsed_s * 1000


def _submit_ms(jobs: JobStore, tenant: int) -> float:
    spec = _spec(tenant, 1)
    job_id = new_job_id()
    elapsed_ms = _timed_ms(lambda: jobs.submit(job_id, spec))
    jobs.cancel(job_id, spec.tenant)
    return elapsed_ms


def _timed_ms(call: Callable[[], object]) -> float:
    began_s = time.perf_counter()
    call()
    return (time.perf_counter() - began_s) * 1000


def _percentiles(values_ms: Sequence[float]) -> tuple[float, float]:
    cuts = quantiles(values_ms, n=100)
    return cuts[49], cuts[98]


def figures_of(rows: Sequence[Row]) -> Sequence[dict[str, object]]:
    first, last = rows[0], rows[-1]
    return [
        {"figure": "claim p50, most waiting / fewest", "measured": last.claim_p50_ms / first.claim_p50_ms, "goal": 2},
        {
            "figure": "submit p50, most waiting / fewest",
            "measured": last.submit_p50_ms / first.submit_p50_ms,
            "goal": 2,
        },
    ]


@click.command()
@click.option(
    "--calls", default=1_000, show_default=True, help="Calls of each kind, beside each number of waiting renders."
)
@click.option("--results", default=Path("benchmarks/results"), type=click.Path(path_type=Path), show_default=True)
def main(calls: int, results: Path) -> None:
    """Measure claims and submissions beside 10 to 100,000 renders in lanes, of one tenant and of a thousand.

    The lines of a batch are in no lane until they are released, so a million of them wait as one batch with few
    renders. The store does not sync to disk here, because only the effect of the queue's length is measured.
    """
    with tempfile.TemporaryDirectory() as folder:
        server = Valkey(Path(folder))
        try:
            client = connect(server.start())
            client.config_set("appendfsync", "no")
            measure(client, 10, 1, calls=10)  # loads the scripts into the store
            sizes = [(10, 1), (10_000, 1), (10_000, 1_000), (100_000, 1), (100_000, 1_000)]
            rows = [measure(client, waiting, tenants, calls) for waiting, tenants in sizes]
        finally:
            server.stop()
    figures = figures_of(rows)
    report = {"measured_on": machine(threads=1), "figures": figures, "rows": [asdict(row) for row in rows]}
    (results / "dispatch.json").write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
    table = Table("waiting", "tenants", "claim p50 ms", "p99", "submit p50 ms", "p99", "bytes a render")
    for row in rows:
        waiting, tenants, *times_ms, size = asdict(row).values()
        table.add_row(f"{waiting:,}", f"{tenants:,}", *(f"{value:.2f}" for value in times_ms), f"{size:,.0f}")
    Console().print(table, figures)


if __name__ == "__main__":
    main()
