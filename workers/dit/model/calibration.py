"""Measures whether rows are quicker together, size by size, when a worker starts. Decides nothing: see `plan`."""

import statistics
import time
from collections.abc import Iterator, Sequence

import structlog
import torch

from shared.geometry import large_grid
from workers.dit.model.denoiser import Denoiser, Row
from workers.dit.model.glyphs import GlyphEncoder
from workers.dit.model.latents import initial_latents
from workers.dit.model.loading import DitModel
from workers.dit.plan import Plan, Timing

log = structlog.get_logger()

COMMON_SIZES = ((256, 256), (512, 512), (768, 512), (1024, 1024))
_ROWS = (1, 2, 4)
_REPEATS = 3


def calibrate(model: DitModel, denoiser: Denoiser, budget_s: float) -> Plan:
    """Times one forward of 1, 2 and 4 rows of every common size, the small ones first, and logs what follows.

    A size that is not through when `budget_s` wall seconds are over is left out, and so is what doesn't fit in memory:
    both get a pass for each row. A first pass that compiles may last longer than the budget.
    """
    deadline_s = time.monotonic() + budget_s
    timings: list[Timing] = []
    for width_px, height_px in COMMON_SIZES:
        measured = list(_timings(model, denoiser, width_px, height_px, deadline_s))
        if time.monotonic() > deadline_s:
            break
        timings += measured
    plan = Plan(tuple(timings))
    log.info("dit.plan", table=plan.table(), budget_s=budget_s)
    return plan


@torch.no_grad()
def _timings(model: DitModel, denoiser: Denoiser, width_px: int, height_px: int, deadline_s: float) -> Iterator[Timing]:
    row = _row(model, denoiser, width_px, height_px)
    for count in _ROWS:
        if time.monotonic() > deadline_s:
            return
        try:
            wall_s = _median_s(model, denoiser, [row] * count)
        except torch.OutOfMemoryError:
            return
        yield Timing(large_grid(width_px, height_px), count, 1000 * wall_s / count)


def _row(model: DitModel, denoiser: Denoiser, width_px: int, height_px: int) -> Row:
    """An unconditional row half-way through a render; what it holds changes no time."""
    branch = denoiser.unconditional(GlyphEncoder(model).empty, None)
    times = denoiser.embed_times(torch.tensor([500.0], device=model.device), width_px, height_px)
    return Row(initial_latents(model, width_px, height_px, seed=0), times, branch)


def _median_s(model: DitModel, denoiser: Denoiser, rows: Sequence[Row]) -> float:
    """Wall seconds of one pass, after one that warms up."""
    walls_s = []
    for _ in range(1 + _REPEATS):
        began_s = time.monotonic()
        denoiser.predict(rows, len(rows))
        if model.device.type == "cuda":
            torch.cuda.synchronize(model.device)
        walls_s.append(time.monotonic() - began_s)
    return statistics.median(walls_s[1:])
