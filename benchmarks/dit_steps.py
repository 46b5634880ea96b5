"""Measures denoise steps of the full-size transformer on a GPU beside the rate of one large matrix product."""

import statistics
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import torch
from diffusers import GlmImagePipeline
from rich.console import Console
from rich.table import Table

from benchmarks.dit_flop import forward_flop, num_tokens
from benchmarks.dit_model import FULL, build_reference, share_model
from benchmarks.dit_renders import Size, a_claim, reference_picture, sized
from benchmarks.report import save
from workers.dit.model.options import DitOptions, apply_options
from workers.dit.model.runner import DitRunner

SIZES: tuple[Size, ...] = ((512, 512), (1024, 1024), (2048, 2048))
WARM_UP, STEPS = 2, 6
_PRODUCT_SIDE = 8192
_DEFAULT_STEPS = 50


@dataclass(frozen=True, slots=True)
class StepRow:
    """The figures of one size. A step has two forward passes, for guidance.

    `pictures_s` is for 50 steps without the VAE.
    """

    name: str
    pictures_s: float
    step_ms: float
    tflop_s: float
    share_of_product: float


def measure_steps(device: torch.device, threads: int, results: Path) -> None:
    """Measures the reference, the engine, and the engine with compiled blocks, with one set of weights in bfloat16."""
    pipeline = build_reference(FULL, device, torch.bfloat16)
    product = product_flop_s(device)
    rows = [a_row("reference", size, reference_steps_s(pipeline, size), product) for size in SIZES]
    model = share_model(pipeline)
    rows += [a_row("engine", size, engine_steps_s(DitRunner(model), size), product) for size in SIZES]
    apply_options(model.transformer, DitOptions(compiler="inductor"))
    rows += [a_row("engine, compiled", size, engine_steps_s(DitRunner(model), size), product) for size in SIZES]
    table = Table("", "ms/step", "TFLOP/s", "share of product", title=f"product: {product / 1e12:.0f} TFLOP/s")
    for row in rows:
        table.add_row(row.name, f"{row.step_ms:.1f}", f"{row.tflop_s:.0f}", f"{row.share_of_product:.2f}")
    Console().print(table)
    compiled = next(row for row in rows if row.name == f"engine, compiled, {sized(SIZES[1])}")
    goal = (f"share of a large product's rate, {sized(SIZES[1])}", compiled.share_of_product, 0.8)
    save(results, f"dit-{device.type}", [asdict(row) for row in rows], [goal], threads)


def a_row(kind: str, size: Size, steps_s: Sequence[float], product: float) -> StepRow:
    step_s = statistics.median(steps_s[WARM_UP:])
    rate = 2 * forward_flop(FULL, num_tokens(size)) / step_s
    pictures_s = 1 / (_DEFAULT_STEPS * step_s)
    return StepRow(f"{kind}, {sized(size)}", pictures_s, 1000 * step_s, rate / 1e12, rate / product)


def reference_steps_s(pipeline: GlmImagePipeline, size: Size) -> list[float]:
    """Returns the seconds from the end of each step to the end of the next."""
    ends_s: list[float] = []

    def note(_pipeline: Any, _step: int, _time: Any, inputs: dict[str, Any]) -> dict[str, Any]:
        torch.cuda.synchronize(pipeline.device)
        ends_s.append(time.perf_counter())
        return inputs

    reference_picture(pipeline, a_claim(size, 1 + WARM_UP + STEPS), note)
    return [end - begin for begin, end in pairwise(ends_s)]


def engine_steps_s(runner: DitRunner, size: Size) -> list[float]:
    steps_s = []
    state = runner.start(a_claim(size, WARM_UP + STEPS), [])
    while not state.is_done:
        began_s = time.perf_counter()
        runner.denoise_step(state)  # returns when the device has finished the step
        steps_s.append(time.perf_counter() - began_s)
    return steps_s


def product_flop_s(device: torch.device) -> float:
    """Returns the operations per second that the device reaches on one product of two large bfloat16 matrices."""
    left, right = (torch.randn(_PRODUCT_SIDE, _PRODUCT_SIDE, device=device, dtype=torch.bfloat16) for _ in range(2))
    walls_s = []
    for _ in range(WARM_UP + STEPS):
        torch.cuda.synchronize(device)
        began_s = time.perf_counter()
        _product = left @ right
        torch.cuda.synchronize(device)
        walls_s.append(time.perf_counter() - began_s)
    return 2.0 * _PRODUCT_SIDE**3 / statistics.median(walls_s[WARM_UP:])
