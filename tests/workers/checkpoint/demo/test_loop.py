"""The training loop: goes on where it was ended, averages weights, and says how far it is."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from random import Random

import pytest
import torch
from torch import Tensor, nn

from workers.checkpoint.demo.loop import Recipe, load_earlier, train

RECIPE = Recipe(num_steps=30, learning_rate=0.02, warm_up_steps=5, average=0.8, has_muon=True)


class Tiny(nn.Module):
    """One matrix that Muon trains, and one vector that AdamW does."""

    def __init__(self) -> None:
        super().__init__()
        self.mlp = nn.Linear(8, 8)

    def loss(self, rng: Random, _: float) -> Mapping[str, Tensor]:
        inputs = torch.tensor([[rng.gauss(0, 1) for _ in range(8)] for _ in range(16)])
        return {"loss": (self.mlp(inputs) - inputs.flip(1)).square().mean()}


class Ended(Exception):
    """Stands for a process that was killed."""


def a_model() -> Tiny:
    torch.manual_seed(0)
    return Tiny()


def trained(state_file: Path, ends_after: int = 0, **options: object) -> Tiny:
    """Trains, and saves after each step. With `ends_after`, the run is ended within the step after those."""
    model, num = a_model(), 0

    def loss(rng: Random, progress: float) -> Mapping[str, Tensor]:
        nonlocal num
        num += 1
        if ends_after and num > ends_after:
            raise Ended
        return model.loss(rng, progress)

    return train(model, loss, RECIPE, state_file, save_every_s=-1, say=lambda _: None, **options)


def weights(model: nn.Module) -> Tensor:
    return nn.utils.parameters_to_vector(model.parameters()).detach()


def test_a_run_that_was_ended_comes_to_the_weights_of_an_unbroken_one(tmp_path: Path) -> None:
    unbroken = trained(tmp_path / "unbroken.pt")
    for ends_after in (7, 12):
        with pytest.raises(Ended):
            trained(tmp_path / "broken.pt", ends_after)
    assert torch.load(tmp_path / "broken.pt", weights_only=True)["step"] == 19
    assert torch.equal(weights(trained(tmp_path / "broken.pt")), weights(unbroken))


def test_a_finished_run_is_not_trained_again(tmp_path: Path) -> None:
    first = trained(tmp_path / "done.pt")
    saves: list[nn.Module] = []
    assert torch.equal(weights(trained(tmp_path / "done.pt", on_save=saves.append)), weights(first))
    assert saves == []


def test_the_weights_that_are_kept_are_averages_that_forget_the_first_steps(tmp_path: Path) -> None:
    every: list[Tensor] = []
    model = a_model()

    def loss(rng: Random, progress: float) -> Mapping[str, Tensor]:
        every.append(weights(model).clone())
        return model.loss(rng, progress)

    kept = train(model, loss, RECIPE, tmp_path / "tiny.pt", say=lambda _: None)
    expected = every[1]
    for num, current in enumerate([*every[2:], weights(model)], start=1):
        decay = min(RECIPE.average, (1 + num) / (10 + num))
        expected = decay * expected + (1 - decay) * current
    assert torch.allclose(weights(kept), expected, atol=1e-6)


def test_a_time_limit_ends_the_training_for_good(tmp_path: Path) -> None:
    shares: list[float] = []
    model = a_model()

    def loss(rng: Random, progress: float) -> Mapping[str, Tensor]:
        shares.append(progress)
        return model.loss(rng, progress)

    limited = replace(RECIPE, most_minutes=1e-9)
    for _ in range(2):
        train(model, loss, limited, tmp_path / "tiny.pt", say=lambda _: None)
    assert len(shares) == torch.load(tmp_path / "tiny.pt", weights_only=True)["step"] == 1


def test_earlier_weights_are_a_start_where_there_are_some(tmp_path: Path) -> None:
    model, other = a_model(), Tiny()
    load_earlier(model, tmp_path / "none.pt")
    assert torch.equal(weights(model), weights(a_model()))
    torch.save({"mlp.weight": other.mlp.weight}, tmp_path / "some.pt")
    load_earlier(model, tmp_path / "some.pt")
    assert torch.equal(model.mlp.weight, other.mlp.weight)
    assert torch.equal(model.mlp.bias, a_model().mlp.bias)


def test_a_loss_falls_and_the_last_line_says_so(tmp_path: Path) -> None:
    lines: list[str] = []
    model = a_model()
    before = model.loss(Random(0), 0.0)["loss"]
    kept = train(model, model.loss, RECIPE, tmp_path / "tiny.pt", say=lines.append)
    assert kept.loss(Random(0), 0.0)["loss"] < 0.7 * before
    assert lines[-1].startswith("tiny: step 30, 100% done, ")
    assert "0 min left, loss " in lines[-1]
