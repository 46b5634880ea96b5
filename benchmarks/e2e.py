"""Measures the whole service beside the reference pipeline in a loop, with the same jobs, checkpoint and cores.

`make bench-e2e`.
"""

import json
import os
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import click
import torch
from diffusers import GlmImagePipeline
from rich.console import Console
from rich.table import Table

from benchmarks.ar_model import MID as MID_AR
from benchmarks.dit_model import MID as MID_DIT
from benchmarks.report import Figure, save
from cli.client import Client
from cli.demo.service import service
from workers.checkpoint import ar_parts, dit_parts
from workers.checkpoint.ar_parts import ArShape
from workers.checkpoint.dit_parts import DitShape

SIDE_PX = 256


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table. `wall_s` is the time from the first submission to the last picture."""

    name: str
    wall_s: float
    pictures_s: float


def build_checkpoint(folder: Path, ar: ArShape = MID_AR, dit: DitShape = MID_DIT) -> None:
    """Writes a checkpoint with random weights from a fixed seed, of mid size unless other shapes are given."""
    torch.manual_seed(0)
    processor = ar_parts.build_processor()
    tokenizer = dit_parts.build_glyph_tokenizer()
    GlmImagePipeline(
        tokenizer=tokenizer,
        processor=processor,
        text_encoder=dit_parts.build_text_encoder(tokenizer),
        vision_language_encoder=ar_parts.build_vision_language_encoder(processor, ar),
        vae=dit_parts.build_vae(),
        transformer=dit_parts.build_transformer(dit),
        scheduler=dit_parts.build_scheduler(),
    ).save_pretrained(folder)


def a_job(index: int, steps: int) -> dict[str, object]:
    return {
        "prompt": f"a harbour at dawn, the sign on pier {index} says 'Fish & Ice'",
        "width": SIDE_PX,
        "height": SIDE_PX,
        "num_inference_steps": steps,
        "seed": index,
    }


def measure_reference(checkpoint: Path, num_jobs: int, steps: int) -> Row:
    """Renders the jobs with diffusers' unchanged pipeline, one after the other."""
    pipeline = GlmImagePipeline.from_pretrained(checkpoint)
    pipeline.set_progress_bar_config(disable=True)

    def render(index: int) -> None:
        job = {**a_job(index, steps), "generator": torch.Generator().manual_seed(index)}
        del job["seed"]
        pipeline(**job)

    render(num_jobs)  # warms up
    began_s = time.perf_counter()
    for index in range(num_jobs):
        render(index)
    return row("reference, one by one", time.perf_counter() - began_s, num_jobs)


def measure_service(checkpoint: Path, data_dir: Path, num_jobs: int, steps: int) -> tuple[Row, float]:
    """Renders all jobs at once through HTTP.

    Also returns the share of the DiT worker's busy time in which its device computed.
    """
    with service(data_dir, checkpoint) as url, Client(url) as client:
        finish(client, [a_job(num_jobs, steps)])  # warms up
        began_s = time.perf_counter()
        finish(client, [a_job(index, steps) for index in range(num_jobs)])
        wall_s = time.perf_counter() - began_s
    return row("service", wall_s, num_jobs), busy_share(data_dir / "run" / "dit-0.log")


def finish(client: Client, jobs: Sequence[dict[str, object]]) -> None:
    ids = [client.submit(job)["id"] for job in jobs]
    for seen in client.watch(ids):
        ended = seen
    statuses = {job["status"] for job in ended.values()}
    assert statuses == {"succeeded"}, statuses


def busy_share(log: Path) -> float:
    """Returns this share from the totals that a DiT worker logs at its end."""
    lines = [line for line in log.read_text(encoding="utf-8").splitlines() if '"dit.busy"' in line]
    totals = json.loads(lines[-1])
    return float(totals["device_s"] / totals["work_s"])


def row(name: str, wall_s: float, num_jobs: int) -> Row:
    return Row(name, wall_s, num_jobs / wall_s)


def show(rows: Sequence[Row], figures: Sequence[Figure], num_jobs: int, steps: int) -> None:
    table = Table("", "wall s", "pictures/s", title=f"{num_jobs} jobs of {SIDE_PX}x{SIDE_PX}, {steps} denoise steps")
    for each in rows:
        table.add_row(each.name, f"{each.wall_s:.1f}", f"{each.pictures_s:.3f}")
    goals = Table("figure", "measured", "goal")
    for name, value, goal in figures:
        goals.add_row(name, f"{value:.3f}", f"{goal:g}")
    Console().print(table, goals)


@click.command()
@click.option("--jobs", "num_jobs", default=32, show_default=True)
@click.option("--steps", default=20, show_default=True, help="Denoise steps of each picture.")
@click.option(
    "--threads", default=len(os.sched_getaffinity(0)), show_default=True, help="CPU threads of the reference."
)
@click.option("--results", default=Path("benchmarks/results"), type=click.Path(path_type=Path), show_default=True)
def main(num_jobs: int, steps: int, threads: int, results: Path) -> None:
    """Measure the service end to end beside the reference, on this machine's CPU."""
    torch.set_num_threads(threads)
    with tempfile.TemporaryDirectory(prefix="gridpress-bench-") as scratch:
        checkpoint = Path(scratch) / "model"
        build_checkpoint(checkpoint)
        reference = measure_reference(checkpoint, num_jobs, steps)
        ours, share = measure_service(checkpoint, Path(scratch) / "data", num_jobs, steps)
    figures: list[Figure] = [
        ("service / reference loop, pictures/s", ours.pictures_s / reference.pictures_s, 3.0),
        ("device-busy share of the DiT worker", share, 0.95),
    ]
    show([reference, ours], figures, num_jobs, steps)
    save(results, "e2e-cpu", [asdict(reference), asdict(ours)], figures, threads)


if __name__ == "__main__":
    main()
