"""Measures how long a forward pass with several rows takes for each row, for each common picture size. A row is one
guidance branch of a render. The measurement runs once, when a worker starts.

`workers.dit.plan` decides from these times how many rows share a pass.
"""

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
    """Times one forward pass of 1, 2 and 4 rows for every common picture size, small sizes first. Returns and logs the
    plan that follows: how many rows of each size share a pass. A row is one guidance branch of a render.

    A size is left out if it is not measured within `budget_s` wall seconds or exceeds the memory. For a size that was
    left out, the plan has one pass for each row. If the first pass compiles, the measurement may take longer than the
    budget.
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
    """Returns a row for the measurements: the unconditional branch of guidance half-way through a render. The values in
    the row do not change the time of a pass.
    """
    branch = denoiser.unconditional(GlyphEncoder(model).empty, None)
    times = denoiser.embed_times(torch.tensor([500.0], device=model.device), width_px, height_px)
    return Row(initial_latents(model, width_px, height_px, seed=0), times, branch)


def _median_s(model: DitModel, denoiser: Denoiser, rows: Sequence[Row]) -> float:
    """Returns the median wall seconds of a forward pass of these rows. The first pass is a warm-up and does
    not count.
    """
    walls_s = []
    for _ in range(1 + _REPEATS):
        began_s = time.monotonic()
        denoiser.predict(rows, len(rows))
        if model.device.type == "cuda":
            torch.cuda.synchronize(model.device)
        walls_s.append(time.monotonic() - began_s)
    return statistics.median(walls_s[1:])
