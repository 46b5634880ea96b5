"""Measures step times of both stages on this machine and writes the profile that `gridpress plan --profile` reads.

The models are the mid-size random models of the other benchmarks, on the CPU.
"""

import json
import statistics
from collections.abc import Sequence
from pathlib import Path

import click
import torch
from rich.progress import track

from benchmarks import ar, ar_model, dit, dit_model
from benchmarks.dit_renders import Size
from benchmarks.report import machine
from shared.jobs.spec import Quality
from shared.schedule.profile import ArPoint, DitPoint, Profile
from workers.ar.model.loading import ArModel
from workers.dit.model.runner import DitRunner

RESULT = Path("benchmarks/results/profile-cpu.json")
ROWS = (1, 4, 16, ar.MAX_SEQUENCES)


def ar_points(model: ArModel, rows: Sequence[int]) -> list[ArPoint]:
    """Returns the median time of a decode step for each number of concurrent renders."""
    return [ArPoint(rows=n, step_s=ar.measure_engine(model, n).step_ms / 1000) for n in track(rows, "AR")]


def dit_points(runner: DitRunner, sizes: Sequence[Size], repeats: int) -> list[DitPoint]:
    """Returns the medians over `repeats` pictures of each size."""
    return [_dit_point(runner, size, repeats) for size in track(sizes, "DiT")]


def _dit_point(runner: DitRunner, size: Size, repeats: int) -> DitPoint:
    runs = [dit.run_engine(runner, size, Quality.EXACT) for _ in range(repeats)]
    return DitPoint(
        width=size[0],
        height=size[1],
        step_s=statistics.median(statistics.mean(run.steps_s) for run in runs),
        fixed_s=statistics.median(run.wall_s - sum(run.steps_s) for run in runs),
    )


@click.command()
@click.option("--threads", default=2, show_default=True, help="CPU threads.")
@click.option("--repeats", default=3, show_default=True, help="Pictures of each size; the median counts.")
@click.option("--out", type=click.Path(path_type=Path), default=RESULT, show_default=True)
def main(threads: int, repeats: int, out: Path) -> None:
    """Measure step times of both stages for `gridpress plan`."""
    torch.set_num_threads(threads)
    place = torch.device("cpu")
    ar_engine_model = ar_model.build_model(ar_model.MID, place, torch.float32)
    runner = DitRunner(dit_model.build_model(dit_model.MID, place, torch.float32))
    profile = Profile(
        measured_on={**machine(threads), "model": "mid size, random weights"},
        ar=ar_points(ar_engine_model, ROWS),
        dit=dit_points(runner, dit.SIZES, repeats),
    )
    out.write_text(json.dumps(profile.model_dump(), indent=1) + "\n", encoding="utf-8")
    click.echo(f"wrote {out}")


if __name__ == "__main__":
    main()
