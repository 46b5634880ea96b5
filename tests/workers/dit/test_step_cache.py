"""Quality `fast`: fewer steps are computed, which ones depends on nothing but their number, and `exact` stays exact."""

import numpy as np
import pytest
import torch
from PIL import Image

from shared.jobs.spec import Quality
from tests.fixtures.pictures import photo_like
from tests.workers.dit.claims import make_claim
from tests.workers.dit.rendering import largest_difference, render
from workers.dit.model.runner import DitRunner
from workers.dit.model.step_cache import StepCache

PHOTO = photo_like(512, 512, seed=3)


def computed_steps(num_steps: int) -> list[int]:
    cache, computed = StepCache(num_steps), []
    for step in range(num_steps):
        cache(lambda step=step: computed.append(step) or torch.tensor([float(step)]))
    return computed


@pytest.mark.parametrize("num_steps", [1, 2, 3, 4, 5, 20, 50])
def test_the_first_steps_and_the_last_are_always_computed(num_steps: int) -> None:
    assert {*range(min(3, num_steps)), num_steps - 1} <= set(computed_steps(num_steps))


@pytest.mark.parametrize("num_steps", [20, 50])
def test_under_half_of_the_steps_are_computed(num_steps: int) -> None:
    assert 0 < len(computed_steps(num_steps)) < num_steps / 2


def test_noise_that_changes_evenly_is_extrapolated_exactly() -> None:
    cache = StepCache(num_steps=20)
    noises = [cache(lambda step=step: torch.tensor([2.0 * step + 1])).item() for step in range(20)]
    assert noises == pytest.approx([2.0 * step + 1 for step in range(20)])


def psnr(one: Image.Image, other: Image.Image) -> float:
    error = np.asarray(one, dtype=float) - np.asarray(other, dtype=float)
    return float(10 * np.log10(255**2 / (error**2).mean()))


@pytest.mark.parametrize("images", [[], [PHOTO]], ids=["text", "edit"])
def test_a_fast_picture_is_another_but_a_near_one(runner: DitRunner, images: list[Image.Image]) -> None:
    qualities = (Quality.EXACT, Quality.FAST)
    exact, fast = (render(runner, make_claim(steps=12, images=images, quality=each), images) for each in qualities)
    assert largest_difference(exact, fast) > 1
    assert psnr(exact, fast) > 25


def test_a_fast_edit_sees_its_condition_image(runner: DitRunner) -> None:
    other = photo_like(512, 512, seed=4)
    claim = make_claim(steps=6, images=[PHOTO], quality=Quality.FAST)
    picture = render(runner, claim, [PHOTO])
    runner.free()
    assert largest_difference(picture, render(runner, claim, [other])) > 1


def test_fast_and_exact_renders_that_take_turns_equal_renders_alone(runner: DitRunner) -> None:
    cases = [
        (make_claim("fast", seed=1, steps=6, quality=Quality.FAST, prompt='"ab"'), []),
        (make_claim("exact", seed=2, steps=6), []),
        (make_claim("fast-edit", seed=3, steps=6, quality=Quality.FAST, images=[PHOTO]), [PHOTO]),
    ]
    alone = [render(runner, claim, images) for claim, images in cases]
    states = [runner.start(claim, images) for claim, images in cases]
    while waiting := [state for state in states if not state.is_done]:
        for state in waiting:
            runner.denoise_step(state)
    assert [runner.decode(state).tobytes() for state in states] == [picture.tobytes() for picture in alone]
