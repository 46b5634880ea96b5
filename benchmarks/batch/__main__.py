"""Measures batches with the simulated engine on this machine's cores: `make bench-batch`."""

import json
import tempfile
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import click

from benchmarks.batch.running import neighbour, throughput
from benchmarks.batch.waiting import dispatch, ingestion
from benchmarks.report import machine


@click.command()
@click.option("--out", type=click.Path(path_type=Path), default=Path("benchmarks/results"), show_default=True)
@click.option("--lines", default=3000, show_default=True, help="Lines of the batch that is rendered to its end.")
@click.option("--requests", default=300, show_default=True, help="Single requests, alone and beside a batch.")
@click.option("--waiting", multiple=True, type=int, default=(10, 10_000, 1_000_000), show_default=True)
def main(out: Path, lines: int, requests: int, waiting: tuple[int, ...]) -> None:
    """Measure batches. Takes about ten minutes on two cores."""
    report: dict[str, Any] = {"measured_on": machine(threads=1)}
    report["ingestion"] = _alone(ingestion)
    click.echo(report["ingestion"])
    report["dispatch"] = []
    for num in waiting:
        report["dispatch"].append(_alone(dispatch, num))
        click.echo(report["dispatch"][-1])
    with tempfile.TemporaryDirectory() as folder:
        report["throughput"] = throughput(Path(folder), lines)
        click.echo(report["throughput"])
    with tempfile.TemporaryDirectory() as folder:
        report["neighbour"] = neighbour(Path(folder), requests)
        click.echo(report["neighbour"])
    out.mkdir(parents=True, exist_ok=True)
    (out / "batch.json").write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")


def _alone(measure: Any, *args: int) -> dict[str, float]:
    """Runs the measurement in a fresh process, because peak memory is counted per process."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        return dict(pool.submit(measure, *args).result())


if __name__ == "__main__":
    main()
