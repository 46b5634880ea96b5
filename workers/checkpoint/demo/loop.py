"""Trains one part: steps, a learning rate that falls, averaged weights, a state to go on from, progress."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random

import torch
from torch import Tensor, nn

_TELL_EVERY_S, _SAVE_EVERY_S = 15.0, 120.0
_INNER = ("attn", "attention", "mlp", ".ff.", ".ff_", "densereludense")

Loss = Callable[[Random, float], Mapping[str, Tensor]]


@dataclass(frozen=True, slots=True)
class Recipe:
    """How one part is trained.

    The learning rate rises for `warm_up_steps`, stays, and falls over the last `falling` share of all steps.
    `average` is the decay of the averaged weights, which are those that are kept. Matrices inside of transformer
    blocks learn by Muon where `has_muon` says so, all else by AdamW.
    """

    num_steps: int
    learning_rate: float
    warm_up_steps: int = 200
    falling: float = 0.3
    weight_decay: float = 0.01
    average: float = 0.999
    most_norm: float = 1.0
    has_muon: bool = False


def train(
    model: nn.Module,
    loss: Loss,
    recipe: Recipe,
    state_file: Path,
    *,
    seed: int = 0,
    on_save: Callable[[nn.Module], None] = lambda _: None,
    say: Callable[[str], None] = print,
) -> nn.Module:
    """Trains `model` to the recipe's last step and returns it with its averaged weights.

    `loss` gets a generator, from which it draws its data, and the share of all steps that is done. It returns named
    terms; "loss" is minimised. A run that was ended goes on from `state_file` at its last save. `on_save` gets the
    averaged model after each save.
    """
    optimizers = _optimizers(model, recipe)
    averaged = torch.optim.swa_utils.AveragedModel(model, multi_avg_fn=_averaging(recipe.average))
    step = _resumed(state_file, model, averaged, optimizers)
    told_at = saved_at = time.monotonic()
    sums: dict[str, float] = {}
    num = 0
    while step < recipe.num_steps:
        _set_rate(optimizers, recipe, step)
        terms = loss(Random(f"{seed} {step}"), step / recipe.num_steps)
        model.zero_grad(set_to_none=True)
        terms["loss"].backward()
        nn.utils.clip_grad_norm_(model.parameters(), recipe.most_norm)
        for optimizer in optimizers:
            optimizer.step()
        averaged.update_parameters(model)
        step, num = step + 1, num + 1
        for name, value in terms.items():
            sums[name] = sums.get(name, 0.0) + float(value.detach())
        now = time.monotonic()
        is_last = step == recipe.num_steps
        if now - told_at > _TELL_EVERY_S or is_last:
            means = ", ".join(f"{name} {total / num:.4f}" for name, total in sums.items())
            say(f"{state_file.stem}: step {step} of {recipe.num_steps}, {num / (now - told_at):.2f} steps/s, {means}")
            told_at, sums, num = now, {}, 0
        if now - saved_at > _SAVE_EVERY_S or is_last:
            _save(state_file, model, averaged, optimizers, step)
            on_save(averaged.module)
            saved_at = time.monotonic()
    return averaged.module


def _averaging(most: float) -> Callable[[Sequence[Tensor], Sequence[Tensor], Tensor], None]:
    """An exponential average that forgets the first steps, whose weights are random."""

    @torch.no_grad()
    def update(averaged: Sequence[Tensor], current: Sequence[Tensor], num: Tensor) -> None:
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
    """A matrix of attention or feed-forward inside of a block; no embedding, no modulation."""
    return value.ndim == 2 and min(value.shape) > 4 and any(part in name.lower() for part in _INNER)


def _set_rate(optimizers: Sequence[torch.optim.Optimizer], recipe: Recipe, step: int) -> None:
    warm = min(1.0, (step + 1) / recipe.warm_up_steps)
    left = (recipe.num_steps - step) / (recipe.falling * recipe.num_steps)
    for optimizer in optimizers:
        for group in optimizer.param_groups:
            group["lr"] = recipe.learning_rate * warm * max(0.02, min(1.0, left))


def _save(
    path: Path, model: nn.Module, averaged: nn.Module, optimizers: Sequence[torch.optim.Optimizer], step: int
) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_suffix(".writing")
    states = [optimizer.state_dict() for optimizer in optimizers]
    torch.save(
        {"model": model.state_dict(), "averaged": averaged.state_dict(), "optimizers": states, "step": step}, draft
    )
    draft.replace(path)


def _resumed(path: Path, model: nn.Module, averaged: nn.Module, optimizers: Sequence[torch.optim.Optimizer]) -> int:
    if not path.is_file():
        return 0
    state = torch.load(path, weights_only=True)
    model.load_state_dict(state["model"])
    averaged.load_state_dict(state["averaged"])
    for optimizer, its_state in zip(optimizers, state["optimizers"], strict=True):
        optimizer.load_state_dict(its_state)
    return int(state["step"])
