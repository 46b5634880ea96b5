"""Measures the AR engine with continuous batching beside the reference's `generate_prior_tokens`. `make bench-ar`."""

import random
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import click
import torch
from diffusers import GlmImagePipeline
from rich.console import Console
from rich.progress import track
from rich.table import Table

from benchmarks.ar_model import MID, build_model, build_reference
from benchmarks.report import Figure, save
from shared.ids import Fence, HolderId, JobId, RenderId, Revision
from shared.jobs.leases import Claim, Lease
from shared.jobs.spec import RenderSettings
from shared.jobs.states import Stage
from workers.ar.engine import ArEngine
from workers.ar.model.loading import ArModel
from workers.engine.step_times import most_steps

PROMPT = "a harbour at dawn, the sign on the pier says 'Fish & Ice'"
SQUARE = (256, 256)
MIXED = (SQUARE, (512, 512), (512, 768))
MAX_SEQUENCES = 32


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table.

    `tokens_s` counts decode steps of all sequences, a unit that is comparable between sizes. `step_ms` is the median
    time of a decode step; a step of the engine decodes several tokens.
    """

    name: str
    pictures_s: float
    tokens_s: float
    step_ms: float


def a_claim(index: int, size: tuple[int, int]) -> Claim:
    settings = RenderSettings(prompt=PROMPT, width_px=size[0], height_px=size[1])
    lease = Lease(RenderId(f"r{index}"), Stage.AR, Fence(1), HolderId("h"))
    return Claim(lease, JobId(f"j{index}"), 0, settings, index, Revision("r"))


def measure_reference(pipeline: GlmImagePipeline, batch: int) -> Row:
    """Measures the unchanged `generate_prior_tokens` with `batch` equal prompts at once."""
    began_s = time.perf_counter()
    with torch.no_grad():
        pipeline.generate_prior_tokens(
            [PROMPT] * batch, *SQUARE, device=torch.device("cpu"), generator=torch.Generator().manual_seed(1)
        )
    wall_s = time.perf_counter() - began_s
    steps = a_claim(0, SQUARE).settings.num_decode_steps
    return Row(f"reference, batch of {batch}", batch / wall_s, batch * steps / wall_s, 1000 * wall_s / steps)


def measure_engine(model: ArModel, concurrent: int) -> Row:
    """Measures `concurrent` renders of one size that are all admitted at the start.

    Each belongs to another job, so none share a prefill.
    """
    engine = new_engine(model)
    for index in range(concurrent):
        engine.admit(a_claim(index, SQUARE))
    return timed(f"engine, {concurrent} at once", engine, [SQUARE] * concurrent, admit_due=lambda _: None)


def measure_arrivals(model: ArModel, rate: float, count: int, seed: int) -> Row:
    """Measures Poisson arrivals of mixed sizes at a rate above the engine's throughput, so that the engine always
    has work.
    """
    rng = random.Random(seed)
    sizes = [MIXED[index % len(MIXED)] for index in range(count)]
    rng.shuffle(sizes)
    due = arrivals(rng, rate, sizes)
    waiting = [next(due)]
    engine = new_engine(model)

    def admit_due(now_s: float) -> None:
        while waiting and waiting[0][0] <= now_s:
            engine.admit(waiting.pop()[1])
            waiting.extend([following] if (following := next(due, None)) else [])

    admit_due(0.0)
    return timed("engine, Poisson arrivals of mixed sizes", engine, sizes, admit_due, lambda: bool(waiting))


def arrivals(rng: random.Random, rate: float, sizes: Sequence[tuple[int, int]]) -> Iterator[tuple[float, Claim]]:
    """Yields (second, claim) in order of time. The first claim arrives at second 0."""
    at_s = 0.0
    for index, size in enumerate(sizes):
        yield at_s, a_claim(index, size)
        at_s += rng.expovariate(rate)


def timed(
    name: str,
    engine: ArEngine,
    sizes: Sequence[tuple[int, int]],
    admit_due: Callable[[float], None],
    expects_more: Callable[[], bool] = lambda: False,
) -> Row:
    """Steps the engine until all renders are done, including those that are admitted on the way, and returns the
    row.
    """
    steps_ms: list[float] = []
    began_s = time.perf_counter()
    while not engine.is_idle or expects_more():
        before, step_began_s = engine.progress(), time.perf_counter()
        engine.step()
        took_ms = 1000 * (time.perf_counter() - step_began_s)
        steps_ms.append(took_ms / most_steps(before, engine.progress()))
        admit_due(time.perf_counter() - began_s)
    wall_s = time.perf_counter() - began_s
    tokens = sum(a_claim(0, size).settings.num_decode_steps for size in sizes)
    return Row(name, len(sizes) / wall_s, tokens / wall_s, statistics.median(steps_ms))


def new_engine(model: ArModel) -> ArEngine:
    return ArEngine(model, dict[str, object]().__getitem__, num_kv_tokens=60_000, max_sequences=MAX_SEQUENCES)  # type: ignore[arg-type]


def goals(rows: dict[str, Row]) -> list[Figure]:
    """Returns the ratios of the rows beside their goals."""
    alone, static = rows["reference, batch of 1"], rows["reference, batch of 16"]
    one, sixteen = rows["engine, 1 at once"], rows["engine, 16 at once"]
    mixed = rows["engine, Poisson arrivals of mixed sizes"]
    equal = rows[f"engine, {MAX_SEQUENCES} at once"]
    return [
        ("16 at once / reference one by one, pictures/s", sixteen.pictures_s / alone.pictures_s, 10.0),
        ("16 at once / reference's static batch of 16, pictures/s", sixteen.pictures_s / static.pictures_s, 2.0),
        ("1 request / reference one by one, pictures/s", one.pictures_s / alone.pictures_s, 1.3),
        ("mixed arrivals / equal sizes, tokens/s", mixed.tokens_s / equal.tokens_s, 0.8),
        ("step time at 16 / at 1", sixteen.step_ms / one.step_ms, None),
    ]


def median_row(measure: Callable[[], Row], repeats: int) -> Row:
    rows = sorted((measure() for _ in range(repeats)), key=lambda row: row.pictures_s)
    return rows[len(rows) // 2]


@click.command()
@click.option("--threads", default=2, show_default=True, help="CPU threads.")
@click.option("--repeats", default=3, show_default=True, help="Runs of each row; the median counts.")
@click.option("--arrivals", "num_arrivals", default=96, show_default=True, help="Renders of the Poisson run.")
@click.option("--results", default=Path("benchmarks/results"), type=click.Path(path_type=Path), show_default=True)
def main(threads: int, repeats: int, num_arrivals: int, results: Path) -> None:
    """Measure the AR engine beside the reference, on this machine's CPU."""
    torch.set_num_threads(threads)
    model = build_model(MID, torch.device("cpu"), torch.float32)
    pipeline = build_reference(MID, torch.device("cpu"), torch.float32)
    measures: list[Callable[[], Row]] = [
        lambda: measure_reference(pipeline, 1),
        lambda: measure_reference(pipeline, 16),
        *((lambda n=n: measure_engine(model, n)) for n in (1, 4, 16, MAX_SEQUENCES)),
    ]
    rows = {row.name: row for row in (median_row(measure, repeats) for measure in track(measures, "measuring"))}
    rate = 2 * rows["engine, 16 at once"].pictures_s
    mixed = median_row(lambda: measure_arrivals(model, rate, num_arrivals, seed=1), repeats)
    rows[mixed.name] = mixed
    show(rows, goals(rows))
    save(results, "ar-cpu", [asdict(row) for row in rows.values()], goals(rows), threads)


def show(rows: dict[str, Row], figures: Sequence[Figure]) -> None:
    table = Table("", "pictures/s", "tokens/s", "ms/step", title="AR stage, 256x256 (321 decode steps)")
    for row in rows.values():
        table.add_row(row.name, f"{row.pictures_s:.3f}", f"{row.tokens_s:.0f}", f"{row.step_ms:.1f}")
    goals_table = Table("figure", "measured", "goal")
    for name, value, goal in figures:
        goals_table.add_row(name, f"{value:.2f}", "report" if goal is None else f"{goal:g}")
    console = Console()
    console.print(table, goals_table)


if __name__ == "__main__":
    main()
