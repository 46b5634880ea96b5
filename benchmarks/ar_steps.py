"""Measures a decode step beside the memory-bandwidth limit: full size on a GPU, mid size on a CPU.

`make bench-ar-steps`.
"""

import statistics
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import click
import torch
from rich.console import Console
from rich.progress import track
from rich.table import Table

from benchmarks.ar import a_claim
from benchmarks.ar_model import FULL, MID, build_model, build_reference
from benchmarks.report import Figure, save
from workers.ar.kv_allocator import KvAllocator
from workers.ar.model.decode_loop import DecodeLoop, start_decoding
from workers.ar.model.loading import ArModel
from workers.ar.model.runner import kv_bytes_per_token
from workers.ar.sequence import ArSequence
from workers.ar.visits import MOST_STEPS

SIZE = (1024, 1024)
PROMPT_TOKENS = 300
BATCHES = (1, 8, 32, 64)
REFERENCE_SIZE = (256, 256)  # a step reads all weights at any size, so a small picture is enough to measure tokens/s
WARM_UP, VISITS = 2, 10  # of 8 decode steps each


@dataclass(frozen=True, slots=True)
class StepRow:
    """The figures of one batch size. `bound_ms` is the time to read the weights and the rows' KV memory once."""

    name: str
    batch: int
    step_ms: float
    bound_ms: float
    share_of_bound: float
    tokens_s: float
    pictures_s: float


def measure(model: ArModel, batch: int, bandwidth: float) -> StepRow:
    """Returns the mean time of a decode step with sampling, half-way through pictures of 1024x1024. The host reads the
    tokens after every eighth step, as the engine does on a fast device.
    """
    sequences, decode = half_way(model, batch)

    def visit() -> None:
        for sequence, tokens in zip(sequences, decode.run(sequences, MOST_STEPS), strict=True):
            sequence.tokens.extend(tokens)

    step_s = median_s(visit, model.device) / MOST_STEPS
    kv_tokens = sum(sequence.next_position for sequence in sequences)
    read = sum(p.numel() * p.element_size() for p in text_weights(model)) + kv_tokens * kv_bytes_per_token(model)
    bound_s = read / bandwidth
    pictures_s = batch / step_s / a_claim(0, SIZE).settings.num_decode_steps
    name = f"batch {batch}"
    return StepRow(name, batch, 1000 * step_s, 1000 * bound_s, bound_s / step_s, batch / step_s, pictures_s)


def half_way(model: ArModel, batch: int) -> tuple[list[ArSequence], DecodeLoop]:
    """Returns sequences that are half done, and the loop that decodes them.

    Their KV memory has no real content, which does not affect the time.
    """
    sequences = [
        ArSequence(a_claim(index, SIZE), tuple(range(16_600, 16_600 + PROMPT_TOKENS))) for index in range(batch)
    ]
    book = KvAllocator(batch * sequences[0].num_kv_tokens)
    runner, decode = start_decoding(model, book.num_tokens, batch)
    for sequence in sequences:
        sequence.extent = book.book(sequence.num_kv_tokens)
        sequence.num_prefilled = PROMPT_TOKENS - 1
        sequence.tokens = [index % 16_384 for index in range(sequence.num_tokens_total // 2)]
        runner.place(sequence, [(index, index, index) for index in range(sequence.num_kv_tokens)])
    return sequences, decode


def reference_tokens_s(device: torch.device) -> float:
    """Returns tokens per second of the reference's `generate` for one full-size 256x256 picture, after one picture
    to warm up.
    """
    pipeline = build_reference(FULL, device, torch.bfloat16)
    width_px, height_px = REFERENCE_SIZE

    def generate() -> None:
        with torch.no_grad():
            pipeline.generate_prior_tokens(["a kite"], height=height_px, width=width_px, device=device)
        torch.cuda.synchronize(device)

    generate()
    began_s = time.perf_counter()
    generate()
    return a_claim(0, REFERENCE_SIZE).settings.num_decode_steps / (time.perf_counter() - began_s)


def text_weights(model: ArModel) -> list[torch.nn.Parameter]:
    """Returns the weights that a decode step reads: the layers and `lm_head`.

    Of the embedding a step reads only one row.
    """
    return [*model.network.model.language_model.layers.parameters(), *model.network.lm_head.parameters()]


def copy_bandwidth(device: torch.device) -> float:
    """Returns the bytes per second that a copy of 256 MiB reads and writes. On a CPU a sum measures reading alone."""
    source = torch.ones(64 * 2**20, device=device)
    target = torch.empty_like(source)
    moved = 2 if device.type == "cuda" else 1
    work = (lambda: target.copy_(source)) if device.type == "cuda" else source.sum
    return moved * source.numel() * source.element_size() / median_s(work, device)


def median_s(work: Callable[[], object], device: torch.device) -> float:
    """Returns the median seconds of a call, after some calls to warm up."""
    times = []
    for index in range(WARM_UP + VISITS):
        began_s = time.perf_counter()
        work()
        if device.type == "cuda":
            torch.cuda.synchronize(device)
        if index >= WARM_UP:
            times.append(time.perf_counter() - began_s)
    return statistics.median(times)


@click.command()
@click.option("--device", default="cpu", show_default=True, help="cpu: mid size, float32. cuda: full size, bfloat16.")
@click.option("--threads", default=2, show_default=True, help="CPU threads.")
@click.option("--results", default=Path("benchmarks/results"), type=click.Path(path_type=Path), show_default=True)
def main(device: str, threads: int, results: Path) -> None:
    """Measure decode steps beside the time to read weights and KV memory."""
    torch.set_num_threads(threads)
    place = torch.device(device)
    reference = reference_tokens_s(place) if place.type == "cuda" else None
    shape, dtype = (FULL, torch.bfloat16) if place.type == "cuda" else (MID, torch.float32)
    model = build_model(shape, place, dtype)
    bandwidth = copy_bandwidth(place)
    rows = [measure(model, batch, bandwidth) for batch in track(BATCHES, "measuring")]
    table = Table(
        "batch", "ms/step", "bound ms", "share of bound", "tokens/s", "pictures/s", title=f"{bandwidth / 1e9:.1f} GB/s"
    )
    for row in rows:
        shown = (row.step_ms, row.bound_ms, row.share_of_bound, row.tokens_s, row.pictures_s)
        table.add_row(str(row.batch), *(f"{value:.3g}" for value in shown))
    Console().print(table)
    goals: list[Figure] = [
        ("batch 32, share of the bandwidth bound", rows[2].share_of_bound, 0.7 if reference else None)
    ]
    if reference:
        goals.append(("batch 32 / reference's `generate` at batch 1, tokens/s", rows[2].tokens_s / reference, 10.0))
        Console().print(f"reference's generate at batch 1: {reference:.1f} tokens/s")
    save(results, f"ar-steps-{place.type}", [asdict(row) for row in rows], goals, threads)


if __name__ == "__main__":
    main()
