"""Trains one part of the demonstration model.

Runs the training steps, sets the learning rate, averages the weights, saves states and prints progress lines.
"""

import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Generic, TypeVar, cast

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel

_REPORT_EVERY_S, _SAVE_EVERY_S = 15.0, 120.0
_INNER = ("attn", "attention", "mlp", ".ff.", ".ff_", "densereludense")

Loss = Callable[[Random, float], Mapping[str, Tensor]]
_Model = TypeVar("_Model", bound=nn.Module)
_Tensors = tuple[Tensor, ...] | list[Tensor]


@dataclass(frozen=True, slots=True)
class Recipe:
    """The training settings of one part of the demonstration model.

    The learning rate rises for `warm_up_steps`, stays constant, and falls over the last `falling` share of all steps.
    `average` is the decay of the averaged weights, which are the result of the training. With `has_muon`, the optimizer
    Muon trains the matrices inside transformer blocks, and AdamW all other weights. The training ends after `num_steps`
    or, if that is sooner, after `most_minutes`.
    """

    num_steps: int
    learning_rate: float
    warm_up_steps: int = 200
    falling: float = 0.3
    weight_decay: float = 0.01
    average: float = 0.999
    most_norm: float = 1.0
    has_muon: bool = False
    most_minutes: float = math.inf


def _nothing(_: nn.Module) -> None:
    """The default of `on_save`: does nothing after a save."""


def train(
    model: _Model,
    loss: Loss,
    recipe: Recipe,
    state_file: Path,
    *,
    seed: int = 0,
    on_save: Callable[[_Model], None] = _nothing,
    say: Callable[[str], None] = print,
    save_every_s: float = _SAVE_EVERY_S,
) -> _Model:
    """Trains `model` as `recipe` says and returns it with its averaged weights.

    - `loss` is called in each step, with a random generator for its data and the share of the training that is done. It
      returns named loss terms; the training minimises the term "loss".
    - The state is saved in `state_file`, from which an interrupted run continues.
    - `on_save` is called with the averaged model after each save.
    - `say` prints a progress line.
    """
    run = _Run(model, recipe, state_file)
    progress = _Progress()
    saved_at_s = time.monotonic()
    while run.share < 1:
        progress.add(run.advance(loss, seed, progress.age_s))
        is_last = run.share_after(progress.age_s) >= 1
        if is_last or progress.age_s > _REPORT_EVERY_S:
            run.seconds += progress.age_s
            say(progress.line(state_file.stem, run.step, run.share, run.seconds))
            progress = _Progress()
        if is_last or time.monotonic() - saved_at_s > save_every_s:
            run.save()
            on_save(run.trained)
            saved_at_s = time.monotonic()
    return run.trained


def load_earlier(model: nn.Module, file: Path) -> None:
    """Loads the weights of an earlier training from `file` into `model`, if the file exists.

    Weights that the file lacks stay as they are.
    """
    if file.is_file():
        model.load_state_dict(torch.load(file, weights_only=True), strict=False)


def write_state(model: nn.Module, recipe: Recipe, state_file: Path, step: int) -> None:
    """Writes a training state with the weights of `model`, as if `step` steps of the recipe were done.

    Replaces an older state. The optimizers begin anew.
    """
    state_file.unlink(missing_ok=True)
    run = _Run(model, recipe, state_file)
    run.step = step
    run.save()


class _Run(Generic[_Model]):
    """The state of a training: weights, averaged weights and optimizers. Loads the state file if there is one."""

    def __init__(self, model: _Model, recipe: Recipe, state_file: Path) -> None:
        self._model, self._recipe, self._file = model, recipe, state_file
        self._optimizers = _optimizers(model, recipe)
        self._averaged = AveragedModel(model, multi_avg_fn=_averaging(recipe.average))
        self.step, self.seconds = 0, 0.0
        if state_file.is_file():
            self._load()

    @property
    def trained(self) -> _Model:
        """Returns the model with its averaged weights."""
        return cast("_Model", self._averaged.module)

    @property
    def share(self) -> float:
        """Returns the share of the training that was done when `seconds` was counted last, from 0 to 1."""
        return self.share_after(0)

    def share_after(self, seconds: float) -> float:
        """Returns the share of the training that is done, `seconds` after `seconds` was counted last."""
        by_time = (self.seconds + seconds) / 60 / self._recipe.most_minutes
        return min(1.0, max(self.step / self._recipe.num_steps, by_time))

    def advance(self, loss: Loss, seed: int, seconds: float) -> Mapping[str, Tensor]:
        """Does one training step and returns the loss terms.

        The data of a step depend only on `seed` and the number of the step. `seconds` is the time since the attribute
        `seconds` was counted last.
        """
        share = self.share_after(seconds)
        _set_rate(self._optimizers, self._recipe, self.step, share)
        terms = loss(Random(f"{seed} {self.step}"), share)
        self._model.zero_grad(set_to_none=True)
        torch.autograd.backward(terms["loss"])
        nn.utils.clip_grad_norm_(self._model.parameters(), self._recipe.most_norm)
        for optimizer in self._optimizers:
            optimizer.step()
        self._averaged.update_parameters(self._model)
        self.step += 1
        return terms

    def save(self) -> None:
        """Saves the training state atomically. If the process ends during the save, the previous state remains."""
        self._file.parent.mkdir(parents=True, exist_ok=True)
        draft = self._file.with_suffix(".writing")
        state = {
            "model": self._model.state_dict(),
            "averaged": self._averaged.state_dict(),
            "optimizers": [optimizer.state_dict() for optimizer in self._optimizers],
            "step": self.step,
            "seconds": self.seconds,
        }
        torch.save(state, draft)
        draft.replace(self._file)

    def _load(self) -> None:
        state = torch.load(self._file, weights_only=True)
        self._model.load_state_dict(state["model"])
        self._averaged.load_state_dict(state["averaged"])
        for optimizer, its_state in zip(self._optimizers, state["optimizers"], strict=True):
            optimizer.load_state_dict(its_state)
        self.step, self.seconds = int(state["step"]), float(state.get("seconds", 0.0))


@dataclass(slots=True)
class _Progress:
    """The means of the loss terms since the last progress line was printed."""

    sums: dict[str, float] = field(default_factory=dict)
    num: int = 0
    began_s: float = field(default_factory=time.monotonic)

    @property
    def age_s(self) -> float:
        return time.monotonic() - self.began_s

    def add(self, terms: Mapping[str, Tensor]) -> None:
        for name, value in terms.items():
            self.sums[name] = self.sums.get(name, 0.0) + float(value.detach())
        self.num += 1

    def line(self, part: str, step: int, share: float, seconds: float) -> str:
        means = ", ".join(f"{name} {total / self.num:.4f}" for name, total in self.sums.items())
        rate = self.num / max(self.age_s, 1e-9)
        left_min = seconds / 60 * (1 / share - 1)
        return f"{part}: step {step}, {share:.0%} done, {rate:.2f} steps/s, {left_min:.0f} min left, {means}"


def _averaging(most: float) -> Callable[[_Tensors, _Tensors, Tensor | int], None]:
    """Returns the function that updates an exponential average of weights. `most` is the decay of this average late in
    the training.

    The decay is lower in the first steps, because the weights are still random then.
    """

    @torch.no_grad()
    def update(averaged: _Tensors, current: _Tensors, num: Tensor | int) -> None:
        decay = min(most, (1 + int(num)) / (10 + int(num)))
        torch._foreach_lerp_(averaged, current, 1 - decay)

    return update


def _optimizers(model: nn.Module, recipe: Recipe) -> Sequence[torch.optim.Optimizer]:
    trained = [(name, value) for name, value in model.named_parameters() if value.requires_grad]
    inner = [value for name, value in trained if recipe.has_muon and _is_inner(name, value)]
    rest = [value for name, value in trained if not (recipe.has_muon and _is_inner(name, value))]
    plain = torch.optim.AdamW(rest, recipe.learning_rate, (0.9, 0.98), weight_decay=recipe.weight_decay)
    if not inner:
        return [plain]
    muon = torch.optim.Muon(
        inner, recipe.learning_rate, weight_decay=recipe.weight_decay, adjust_lr_fn="match_rms_adamw"
    )
    return [plain, muon]


def _is_inner(name: str, value: Tensor) -> bool:
    """Returns whether a parameter is a weight matrix of an attention or feed-forward layer inside a block.

    The optimizer Muon trains only these, so embeddings and modulation are left to AdamW.
    """
    return value.ndim == 2 and min(value.shape) > 4 and any(part in name.lower() for part in _INNER)


def _set_rate(optimizers: Sequence[torch.optim.Optimizer], recipe: Recipe, step: int, share: float) -> None:
    warm = min(1.0, (step + 1) / recipe.warm_up_steps)
    left = (1 - share) / recipe.falling
    for optimizer in optimizers:
        for group in optimizer.param_groups:
            group["lr"] = recipe.learning_rate * warm * max(0.02, min(1.0, left))
