"""Work that is done once a render, a job, a size or a worker, and previews."""

import dataclasses
from collections.abc import Iterator

import pytest
import torch

from tests.fixtures.pictures import photo_like
from tests.workers.dit.claims import make_claim
from tests.workers.dit.rendering import largest_difference, render
from workers.dit.model.loading import DitModel
from workers.dit.model.runner import DitRunner

PHOTO = photo_like(512, 512, seed=3)


class Counter:
    """Counts the calls of modules."""

    def __init__(self) -> None:
        self.count = 0

    def __call__(self, *_: object) -> None:
        self.count += 1


@pytest.fixture
def projections(dit_model: DitModel) -> Iterator[Counter]:
    """Calls of what a render needs once: both projectors and the embedding of times."""
    network, counter = dit_model.transformer, Counter()
    once = (network.prior_projector, network.glyph_projector, network.time_condition_embed)
    hooks = [module.register_forward_pre_hook(counter) for module in once]
    yield counter
    for hook in hooks:
        hook.remove()


@pytest.fixture
def encoded(dit_model: DitModel) -> Iterator[Counter]:
    """Condition images that the VAE encodes."""
    counter = Counter()
    hook = dit_model.vae.encoder.register_forward_pre_hook(counter)
    yield counter
    hook.remove()


def test_what_no_step_changes_is_computed_before_the_first(runner: DitRunner, projections: Counter) -> None:
    state = runner.start(make_claim(prompt='"text"'), [])
    before = projections.count
    runner.denoise_step(state)
    assert 0 < before == projections.count


def test_preparing_needs_neither_the_transformer_nor_the_encoders(
    dit_model: DitModel, projections: Counter, encoded: Counter
) -> None:
    runner = DitRunner(dataclasses.replace(dit_model, text_encoder=None))
    runner.prepare(make_claim(prompt='"text"', images=[PHOTO]), [PHOTO])
    assert (projections.count, encoded.count) == (0, 0)


def test_renders_of_a_job_share_their_condition_images(runner: DitRunner, encoded: Counter) -> None:
    claim = make_claim(images=[PHOTO])
    pictures = [render(runner, dataclasses.replace(claim, seed=seed), [PHOTO]) for seed in (1, 2)]
    assert encoded.count == 1
    assert largest_difference(*pictures) > 1


def test_an_idle_worker_forgets_condition_images(runner: DitRunner, encoded: Counter) -> None:
    for _ in range(2):
        runner.start(make_claim(images=[PHOTO]), [PHOTO])
        runner.free()
    assert encoded.count == 2


def test_another_job_has_its_own_condition_images(runner: DitRunner, encoded: Counter) -> None:
    claim = make_claim(images=[PHOTO])
    runner.start(claim, [PHOTO])
    runner.start(dataclasses.replace(claim, job_id="other"), [PHOTO])
    assert encoded.count == 2


@pytest.mark.parametrize(("width", "height", "size"), [(256, 256, (256, 256)), (1024, 512, (256, 128))])
def test_a_preview_is_small(runner: DitRunner, width: int, height: int, size: tuple[int, int]) -> None:
    state = runner.start(make_claim(width=width, height=height), [])
    runner.denoise_step(state)
    assert runner.preview(state).size == size


def test_the_preview_after_the_last_step_is_the_picture(runner: DitRunner) -> None:
    state = runner.start(make_claim(), [])
    while not state.is_done:
        runner.denoise_step(state)
    assert largest_difference(runner.preview(state), runner.decode(state)) <= 1


def test_a_preview_changes_no_picture(runner: DitRunner) -> None:
    claim = make_claim(steps=3)
    state = runner.start(claim, [])
    while not state.is_done:
        runner.denoise_step(state)
        runner.preview(state)
    assert runner.decode(state).tobytes() == render(runner, claim).tobytes()


def test_a_clean_prediction_does_not_move_along_a_straight_path(runner: DitRunner) -> None:
    """If every step predicts noise - picture of one pair, x - sigma * v is that picture from the first step on."""
    state = runner.start(make_claim(steps=4), [])
    noise, picture = state.latents, torch.full_like(state.latents, 0.25)
    while not state.is_done:
        state.advance([noise - picture])
        start = state.scheduler.sigmas[0] * (noise - picture)
        torch.testing.assert_close(state.clean_latents(), noise - start)
