"""Trains one part: steps, a learning rate that falls, averaged weights, a state to go on from, progress."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from math import cos, pi
from pathlib import Path
from random import Random

import torch
from torch import Tensor, nn

_TELL_EVERY_S, _SAVE_EVERY_S = 15.0, 120.0

Loss = Callable[[Random], Mapping[str, Tensor]]


@dataclass(frozen=True, slots=True)
class Recipe:
    """How one part is trained. `average` is the decay of the averaged weights, which are those that are kept."""

    num_steps: int
    learning_rate: float
    warm_up_steps: int = 200
    weight_decay: float = 0.01
    average: float = 0.999
    most_norm: float = 1.0


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

    `loss` draws its data from the generator that it gets and returns named terms; "loss" is minimised. A run that was
    ended goes on from `state_file` at its last save. `on_save` gets the averaged model after each save.
    """
    optimizer = torch.optim.AdamW(
        model.parameters(), recipe.learning_rate, (0.9, 0.98), weight_decay=recipe.weight_decay
    )
    averaged = torch.optim.swa_utils.AveragedModel(
        model, multi_avg_fn=torch.optim.swa_utils.get_ema_multi_avg_fn(recipe.average)
    )
    step = _resumed(state_file, model, averaged, optimizer)
    told_at = saved_at = time.monotonic()
    sums: dict[str, float] = {}
    num = 0
    while step < recipe.num_steps:
        _set_rate(optimizer, recipe, step)
        terms = loss(Random(f"{seed} {step}"))
        optimizer.zero_grad(set_to_none=True)
        terms["loss"].backward()
        nn.utils.clip_grad_norm_(model.parameters(), recipe.most_norm)
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
            _save(state_file, model, averaged, optimizer, step)
            on_save(averaged.module)
            saved_at = time.monotonic()
    return averaged.module


def _set_rate(optimizer: torch.optim.Optimizer, recipe: Recipe, step: int) -> None:
    warm = min(1.0, (step + 1) / recipe.warm_up_steps)
    rate = recipe.learning_rate * warm * (0.02 + 0.98 * 0.5 * (1 + cos(pi * step / recipe.num_steps)))
    for group in optimizer.param_groups:
        group["lr"] = rate


def _save(path: Path, model: nn.Module, averaged: nn.Module, optimizer: torch.optim.Optimizer, step: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_suffix(".writing")
    state = {"model": model.state_dict(), "averaged": averaged.state_dict(), "optimizer": optimizer.state_dict()}
    torch.save({**state, "step": step}, draft)
    draft.replace(path)


def _resumed(path: Path, model: nn.Module, averaged: nn.Module, optimizer: torch.optim.Optimizer) -> int:
    if not path.is_file():
        return 0
    state = torch.load(path, weights_only=True)
    model.load_state_dict(state["model"])
    averaged.load_state_dict(state["averaged"])
    optimizer.load_state_dict(state["optimizer"])
    return int(state["step"])
