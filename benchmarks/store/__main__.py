"""Measures what jobs, heartbeats and looks at the queue cost the store: `make bench-store`.

A short run: python -m benchmarks.store --tenants 1,100 --workers 4,100 --jobs 20
"""

import json
import os
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path

import click
from rich.console import Console
from rich.table import Table

from benchmarks.report import machine
from benchmarks.store.measuring import Case, Finished, finished_jobs, measure
from benchmarks.store.picture import plot
from cli.stack.servers.valkey import Valkey
from shared.store.core.connect import connect


class _Sizes(click.ParamType[Sequence[int]]):
    """Numbers with commas between them."""

    name = "numbers"

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> Sequence[int]:
        try:
            return [int(number) for number in value.split(",")]
        except ValueError:
            self.fail(f"{value} is no list of numbers", param, ctx)


@click.command()
@click.option("--tenants", default="1,1000,5000", type=_Sizes(), show_default=True, help="Tenants with a waiting job.")
@click.option("--workers", default="4,1000,10000", type=_Sizes(), show_default=True, help="Announced, busy workers.")
@click.option("--jobs", "num_jobs", default=100, show_default=True, help="Jobs measured beside each crowd.")
@click.option("--finished", "num_finished", default=1_000, show_default=True, help="Finished jobs, for their memory.")
@click.option("--results", default=Path("benchmarks/results"), type=click.Path(path_type=Path), show_default=True)
def main(tenants: Sequence[int], workers: Sequence[int], num_jobs: int, num_finished: int, results: Path) -> None:
    """Measure, print, and write RESULTS/store.json and its plot. The store syncs every write."""
    crowds = sorted({*((number, workers[0]) for number in tenants), *((tenants[-1], number) for number in workers)})
    with tempfile.TemporaryDirectory() as folder:
        server = Valkey(Path(folder))
        try:
            client = connect(server.start())
            cases = [measure(client, *crowd, num_jobs) for crowd in crowds]
            memory = finished_jobs(client, num_finished)
        finally:
            server.stop()
    report = {
        "measured_on": machine(threads=1),
        "load": os.getloadavg(),
        "cases": [asdict(case) for case in cases],
        "finished_job": asdict(memory),
    }
    (results / "store.json").write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
    plot(results / "store.png", cases)
    show(cases, memory)


def show(cases: Sequence[Case], memory: Finished) -> None:
    """Prints the table of all crowds."""
    table = Table("", *(f"{case.tenants:,} tenants\n{case.workers:,} workers" for case in cases))
    for name in cases[0].calls:
        table.add_row(f"{name}, ms", *(f"{case.calls[name].store_us / 1000:.2f}" for case in cases))
    table.add_section()
    for name in cases[0].looks:
        table.add_row(f"{name}, ms", *(f"{case.looks[name].store_us / 1000:.2f}" for case in cases))
    table.add_section()
    for name, values in _sums(cases).items():
        table.add_row(name, *values)
    console = Console()
    console.print(table)
    console.print(
        f"a finished job: {memory.reported_bytes:,.0f} bytes, {memory.event_bytes:,.0f} of them its events; "
        f"its share of used_memory: {memory.share_bytes:,.0f} bytes"
    )


def _sums(cases: Sequence[Case]) -> Mapping[str, Sequence[str]]:
    return {
        "a job: store time, ms": [f"{case.job.store_us / 1000:.2f}" for case in cases],
        "a job: CPU of the store, ms": [f"{case.job_cpu_ms:.2f}" for case in cases],
        "a job: commands": [str(case.job.commands) for case in cases],
        "a job: round trips": [str(case.job.round_trips) for case in cases],
        "heartbeats of 10,000 workers: cores": [f"{case.beating_cores:.2f}" for case in cases],
    }


if __name__ == "__main__":
    main()
