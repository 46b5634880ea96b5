"""Compares costs of `shared.schedule.cost` with step times of the DiT engine: `python -m benchmarks.dit_cost`.

The cost model's attention term is fitted to plain pictures of three sizes. The model then predicts the other sizes and
all edits.
"""

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace

import click
import numpy as np
import torch
from PIL import Image
from rich.console import Console
from rich.table import Table
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from benchmarks.dit_model import MID, build_model
from benchmarks.dit_renders import Size, a_claim, sized
from shared.geometry import CODEBOOK_SIZE, condition_grid
from shared.ids import ObjectKey
from shared.jobs.leases import Claim
from shared.jobs.spec import RenderSettings
from shared.jobs.token_grid import Prior, TokenGrid
from shared.schedule.cost import CostModel, fitted
from workers.checkpoint.dit_parts import DitShape
from workers.dit.model.denoise_state import DenoiseState
from workers.dit.model.loading import DitModel
from workers.dit.model.runner import DitRunner

# Relative errors are the same with more layers and heads.
SHALLOW = replace(MID, num_layers=1, num_heads=2)


@dataclass(frozen=True, slots=True)
class Case:
    """A picture of this size with condition images of these sizes. With `is_fitted` the fit uses this case."""

    size: Size
    images: tuple[Size, ...] = ()
    is_fitted: bool = False

    @property
    def name(self) -> str:
        return " + ".join(map(sized, (self.size, *self.images)))


CASES = (
    Case((256, 256), is_fitted=True),
    Case((512, 512), is_fitted=True),
    Case((768, 512)),
    Case((768, 768), is_fitted=True),
    Case((512, 512), ((512, 512),)),
    Case((512, 512), ((768, 768),)),
    Case((768, 512), ((512, 512), (512, 768))),
)


def step_seconds(shape: DitShape, cases: Sequence[Case], rounds: int) -> list[float]:
    """Returns the least seconds of a step for every case.

    The cases take turns, so that a slow moment affects only one try of each.
    """
    runner = DitRunner(build_model(shape, torch.device("cpu"), torch.float32))
    states = [_started(runner, case, rounds + 1) for case in cases]
    tries = [[_timed(runner, state) for state in states] for _ in range(rounds + 1)]
    return [min(seconds) for seconds in zip(*tries[1:], strict=True)]  # the first round warms up


def step_operations(shape: DitShape, cases: Sequence[Case]) -> list[float]:
    """Returns the floating-point operations of a step for every case: those of linear layers and of attention.

    Unlike times, they are the same on every machine.
    """
    model = build_model(shape, torch.device("cpu"), torch.float32)
    runner = DitRunner(model)
    return [_operations(model, runner, _started(runner, case, 1)) for case in cases]


def errors(cases: Sequence[Case], steps: Sequence[float]) -> list[float]:
    """Returns the relative error of each case's cost against its time, or against its operations.

    One common scale factor is fitted to all cases.
    """
    pairs = list(zip(cases, steps, strict=True))
    model = fitted([(case.size[0] * case.size[1], step) for case, step in pairs if case.is_fitted])
    ratios = [step_cost(model, case) / step for case, step in pairs]
    scale = math.exp(sum(map(math.log, ratios)) / len(ratios))
    return [ratio / scale - 1 for ratio in ratios]


def step_cost(model: CostModel, case: Case) -> int:
    """Returns the cost of one more denoise step."""
    many, one = (model.cost_of(_settings(case, steps)).dit for steps in (11, 1))
    return (many - one) // 10


def _settings(case: Case, steps: int) -> RenderSettings:
    keys = tuple(ObjectKey(f"inputs/{index}.png") for index, _ in enumerate(case.images))
    return a_claim(case.size, steps).settings.model_copy(update={"images": keys, "image_sizes": case.images})


def _started(runner: DitRunner, case: Case, steps: int) -> DenoiseState:
    return runner.start(_claim(case, steps), [Image.new("RGB", size, "grey") for size in case.images])


def _claim(case: Case, steps: int) -> Claim:
    claim = a_claim(case.size, steps)
    assert claim.prior
    prior = Prior(claim.prior.grid, tuple(map(_condition, case.images)))
    return replace(claim, settings=_settings(case, steps), prior=prior)


def _condition(size: Size) -> TokenGrid:
    grid = condition_grid(*size)
    tokens = np.random.default_rng(0).integers(0, CODEBOOK_SIZE, grid.num_tokens)
    return TokenGrid(grid, tuple(tokens.tolist()))


def _timed(runner: DitRunner, state: DenoiseState) -> float:
    began_s = time.perf_counter()
    runner.denoise_step(state)
    return time.perf_counter() - began_s


def _operations(model: DitModel, runner: DitRunner, state: DenoiseState) -> float:
    """Counts the operations of one step. PyTorch's counter does not see linear layers in inference mode."""
    linear = 0

    def count(layer: torch.nn.Linear, inputs: tuple[torch.Tensor, ...], _: object) -> None:
        nonlocal linear
        linear += 2 * inputs[0].numel() * layer.out_features

    layers = [one for one in model.transformer.modules() if isinstance(one, torch.nn.Linear)]
    handles = [layer.register_forward_hook(count) for layer in layers]
    with sdpa_kernel(SDPBackend.MATH), FlopCounterMode(display=False) as attention:
        runner.denoise_step(state)
    for handle in handles:
        handle.remove()
    return float(linear + attention.get_total_flops())


@click.command()
@click.option("--threads", default=2, show_default=True, help="CPU threads.")
@click.option("--rounds", default=5, show_default=True, help="Steps of each case; the quickest counts.")
def main(threads: int, rounds: int) -> None:
    """Show how far costs are from measured step times."""
    torch.set_num_threads(threads)
    steps_s = step_seconds(MID, CASES, rounds)
    table = Table("picture + condition images", "step, ms", "cost is off by", "fitted")
    for case, step_s, error in zip(CASES, steps_s, errors(CASES, steps_s), strict=True):
        table.add_row(case.name, f"{1000 * step_s:.1f}", f"{100 * error:+.1f} %", "yes" if case.is_fitted else "")
    Console().print(table)


if __name__ == "__main__":
    main()
