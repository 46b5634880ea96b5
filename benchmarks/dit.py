"""Measures the DiT runner beside `GlmImagePipeline` with the same prior tokens. `make bench-dit`."""

import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import click
import torch
from diffusers import GlmImagePipeline
from PIL import Image
from rich.console import Console
from rich.progress import track
from rich.table import Table

from benchmarks.dit_flop import forward_flop, num_tokens
from benchmarks.dit_model import MID, build_model, build_reference
from benchmarks.dit_renders import Size, a_claim, reference_picture, sized
from benchmarks.dit_steps import measure_steps
from benchmarks.picture_distance import gradient_distance, psnr_db
from benchmarks.report import Figure, save
from shared.jobs.spec import Quality
from workers.dit.model.runner import DitRunner

SIZES: tuple[Size, ...] = ((256, 256), (512, 512), (768, 512))
STEPS = 20


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table. `step_ms` is the mean over a render's steps.

    `gflop_s` counts the work of all steps, also of those that `fast` skips. `psnr_db` and `gradient_distance` compare a
    fast picture with the exact one.
    """

    name: str
    pictures_s: float
    step_ms: float
    gflop_s: float
    psnr_db: float | None = None
    gradient_distance: float | None = None


@dataclass(frozen=True, slots=True)
class Run:
    """One rendered picture with its wall time in seconds, from prior tokens to pixels, and the seconds of its steps."""

    picture: Image.Image
    wall_s: float
    steps_s: Sequence[float]


def run_reference(pipeline: GlmImagePipeline, size: Size) -> Run:
    """Renders one picture with the unchanged `GlmImagePipeline`."""
    ends_s: list[float] = []

    def note(_pipeline: Any, _step: int, _time: Any, inputs: dict[str, Any]) -> dict[str, Any]:
        ends_s.append(time.perf_counter())
        return inputs

    began_s = time.perf_counter()
    picture = reference_picture(pipeline, a_claim(size, STEPS), note)
    wall_s = time.perf_counter() - began_s
    return Run(picture, wall_s, [end - begin for begin, end in pairwise(ends_s)])


def run_engine(runner: DitRunner, size: Size, quality: Quality) -> Run:
    """Renders one picture with the runner, alone, including preparation and VAE."""
    steps_s = []
    began_s = time.perf_counter()
    state = runner.start(a_claim(size, STEPS, quality), [])
    while not state.is_done:
        step_began_s = time.perf_counter()
        runner.denoise_step(state)
        steps_s.append(time.perf_counter() - step_began_s)
    picture = runner.decode(state)
    return Run(picture, time.perf_counter() - began_s, steps_s)


def measure_size(pipeline: GlmImagePipeline, runner: DitRunner, size: Size, repeats: int) -> list[Row]:
    """Measures reference, exact and fast for one size.

    They take turns, so that a slow minute of the machine affects all of them.
    """
    kinds: dict[str, Callable[[], Run]] = {
        "reference": lambda: run_reference(pipeline, size),
        "engine, exact": lambda: run_engine(runner, size, Quality.EXACT),
        "engine, fast": lambda: run_engine(runner, size, Quality.FAST),
    }
    runs: dict[str, list[Run]] = {kind: [] for kind in kinds}
    for _ in range(repeats):
        for kind, run in kinds.items():
            runs[kind].append(run())
    rows = {kind: a_row(f"{kind}, {sized(size)}", size, of_kind) for kind, of_kind in runs.items()}
    exact, fast = (runs[kind][0].picture for kind in ("engine, exact", "engine, fast"))
    distances = {"psnr_db": psnr_db(exact, fast), "gradient_distance": gradient_distance(exact, fast)}
    rows["engine, fast"] = Row(**{**asdict(rows["engine, fast"]), **distances})
    return list(rows.values())


def a_row(name: str, size: Size, runs: Sequence[Run]) -> Row:
    wall_s = statistics.median(run.wall_s for run in runs)
    step_s = statistics.median(statistics.mean(run.steps_s) for run in runs)
    return Row(name, 1 / wall_s, 1000 * step_s, 2 * forward_flop(MID, num_tokens(size)) / step_s / 1e9)


def goals(rows: dict[str, Row]) -> list[Figure]:
    """Returns the ratios of the rows beside their goals."""
    figures: list[Figure] = []
    for size in map(sized, SIZES):
        reference, exact, fast = (rows[f"{kind}, {size}"] for kind in ("reference", "engine, exact", "engine, fast"))
        figures.append((f"exact / reference, {size}, pictures/s", exact.pictures_s / reference.pictures_s, 1.15))
        figures.append((f"fast / exact, {size}, pictures/s", fast.pictures_s / exact.pictures_s, 1.8))
    small, large = (rows[f"engine, exact, {sized(size)}"] for size in SIZES[:2])
    flop = [forward_flop(MID, num_tokens(size)) for size in SIZES[:2]]
    figures.append(("4 times the pixels (256 to 512), ms/step", large.step_ms / small.step_ms, None))
    figures.append(("4 times the pixels (256 to 512), FLOP", flop[1] / flop[0], None))
    return figures


@click.command()
@click.option("--device", default="cpu", show_default=True, help="cpu: mid size, float32. cuda: full size, bfloat16.")
@click.option("--threads", default=2, show_default=True, help="CPU threads.")
@click.option("--repeats", default=3, show_default=True, help="Runs of each row; the median counts. CPU only.")
@click.option("--results", default=Path("benchmarks/results"), type=click.Path(path_type=Path), show_default=True)
def main(device: str, threads: int, repeats: int, results: Path) -> None:
    """Measure the DiT runner beside the reference pipeline, one picture at a time."""
    torch.set_num_threads(threads)
    if torch.device(device).type == "cuda":
        measure_steps(torch.device(device), threads, results)
        return
    place = torch.device("cpu")
    pipeline = build_reference(MID, place, torch.float32)
    runner = DitRunner(build_model(MID, place, torch.float32))
    measured = [measure_size(pipeline, runner, size, repeats) for size in track(SIZES, "measuring")]
    rows = {row.name: row for of_size in measured for row in of_size}
    show(rows, goals(rows))
    save(results, "dit-cpu", [asdict(row) for row in rows.values()], goals(rows), threads)


def show(rows: dict[str, Row], figures: Sequence[Figure]) -> None:
    table = Table("", "pictures/s", "ms/step", "GFLOP/s", "PSNR dB", "gradient", title=f"DiT stage, {STEPS} steps")
    for row in rows.values():
        distances = (row.psnr_db, row.gradient_distance)
        shown = ("" if value is None else f"{value:.3g}" for value in distances)
        table.add_row(row.name, f"{row.pictures_s:.3f}", f"{row.step_ms:.1f}", f"{row.gflop_s:.0f}", *shown)
    goals_table = Table("figure", "measured", "goal")
    for name, value, goal in figures:
        goals_table.add_row(name, f"{value:.2f}", "report" if goal is None else f"{goal:g}")
    Console().print(table, goals_table)


if __name__ == "__main__":
    main()
