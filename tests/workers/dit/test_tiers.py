"""Qualities `balanced` and `few_steps`: their forward passes, and that a picture depends on its request alone."""

import math
from dataclasses import replace

import pytest
import torch
from diffusers import FlowMatchEulerDiscreteScheduler
from PIL import Image

from shared.jobs.spec import Quality
from tests.fixtures.pictures import photo_like
from tests.workers.dit.claims import make_claim
from tests.workers.dit.rendering import largest_difference, render
from workers.dit.engine import DitEngine
from workers.dit.model.loading import DitModel
from workers.dit.model.runner import DitRunner
from workers.dit.model.solvers import SecondOrderScheduler
from workers.dit.pictures.previews import Preview

PHOTO = photo_like(512, 512, seed=3)
NEW = (Quality.BALANCED, Quality.FEW_STEPS)


def error_of(solver: type, num_steps: int) -> float:
    """The error of a solver for dx/ds = x from s = 1 to 0, where x is e at the start and 1 at the end."""
    euler = FlowMatchEulerDiscreteScheduler(shift=3.0)
    euler.set_timesteps(num_steps)
    scheduler = euler if solver is FlowMatchEulerDiscreteScheduler else SecondOrderScheduler(euler)
    x = torch.tensor([math.exp(float(euler.sigmas[0]))])
    for timestep in euler.timesteps:
        (x,) = scheduler.step(x, timestep, x, return_dict=False)
    return abs(float(x) - 1)


def test_the_second_order_solver_is_of_second_order_over_uneven_noise_levels() -> None:
    """Twice as many steps leave half of Euler's error, and a quarter of this solver's."""
    euler, second = (
        [error_of(solver, num) for num in (20, 40)]
        for solver in (FlowMatchEulerDiscreteScheduler, SecondOrderScheduler)
    )
    assert euler[0] / euler[1] == pytest.approx(2, rel=0.15)
    assert second[0] / second[1] == pytest.approx(4, rel=0.25)
    assert second[0] < euler[0] / 5


def test_the_first_step_is_eulers() -> None:
    assert error_of(SecondOrderScheduler, 1) == error_of(FlowMatchEulerDiscreteScheduler, 1)


@pytest.mark.parametrize(
    ("quality", "guidance", "num_passes"),
    [
        (Quality.EXACT, 1.5, 20),
        (Quality.BALANCED, 1.5, 16),
        (Quality.FEW_STEPS, 1.5, 8),
        (Quality.BALANCED, 1.0, 10),
        (Quality.FEW_STEPS, 1.0, 4),
    ],
)
def test_a_quality_computes_its_forward_passes_alone(
    runner: DitRunner, passes: list[int], quality: Quality, guidance: float, num_passes: int
) -> None:
    render(runner, make_claim(width=64, height=64, steps=10, quality=quality, guidance=guidance))
    assert passes == [1] * num_passes


@pytest.mark.parametrize("images", [[], [PHOTO]], ids=["text", "edit"])
@pytest.mark.parametrize("quality", NEW)
def test_a_picture_is_another_but_a_near_one(runner: DitRunner, quality: Quality, images: list[Image.Image]) -> None:
    claim = make_claim(width=64, height=64, steps=20, images=images)
    exact = render(runner, claim, images)
    other = render(runner, replace(claim, settings=claim.settings.model_copy(update={"quality": quality})), images)
    assert 0 < largest_difference(exact, other) < 60


def test_renders_of_all_qualities_that_take_turns_equal_renders_alone(runner: DitRunner) -> None:
    claims = [
        make_claim(f"{quality}-{seed}", seed=seed, width=64, height=64, steps=10, quality=quality)
        for quality in Quality
        for seed in (1, 2)
    ]
    alone = [render(runner, claim).tobytes() for claim in claims]
    states = [runner.start(claim, []) for claim in claims]
    while waiting := [state for state in states if not state.is_done]:
        for state in waiting:
            runner.denoise_step(state)
    assert [runner.decode(state).tobytes() for state in states] == alone


@pytest.mark.parametrize("quality", NEW)
def test_progress_and_previews_count_the_steps_that_are_taken(dit_model: DitModel, quality: Quality) -> None:
    previews: list[Preview] = []
    engine = DitEngine(DitRunner(dit_model), lambda _: PHOTO, previews.append)
    claim = replace(make_claim(width=64, height=64, steps=20, quality=quality), partial_images=3)
    engine.admit(claim)
    total = {Quality.BALANCED: 20, Quality.FEW_STEPS: 8}[quality]
    assert engine.progress()[claim.render_id].total == total == claim.num_steps
    outcomes = []
    while not engine.is_idle:
        outcomes += engine.step()
    engine.close()
    assert [preview.number for preview in previews] == [1, 2, 3]
    assert outcomes[0].result
