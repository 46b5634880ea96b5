"""Guidance branches on two devices: here two copies of the model on a CPU. The picture is that of one device."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from PIL import Image

from shared.jobs.spec import Quality
from tests.fixtures.pictures import photo_like
from tests.workers.dit.claims import make_claim
from tests.workers.dit.rendering import render
from workers.device.loss import HelperGone
from workers.dit.model.denoiser import Denoiser, Row
from workers.dit.model.loading import DitModel, load_dit_model
from workers.dit.model.runner import DitRunner
from workers.dit.model.two_devices import TwoDeviceDenoiser

QUOTED = "a shop that says 'open'"
PHOTO = photo_like(512, 512, seed=3)


@pytest.fixture(scope="module")
def second(tiny_checkpoint: Path) -> DitModel:
    return load_dit_model(str(tiny_checkpoint), torch.device("cpu"), torch.float32)


@pytest.fixture
def second_passes(second: DitModel) -> Iterator[list[int]]:
    """The number of rows of every pass through the second copy's blocks."""
    rows: list[int] = []
    first = second.transformer.transformer_blocks[0]
    hook = first.register_forward_pre_hook(lambda _, args: rows.append(len(args[0])))
    yield rows
    hook.remove()


@pytest.mark.parametrize(
    ("guidance", "images", "quality", "away"),
    [
        (1.5, [], Quality.EXACT, 2),
        (4.0, [PHOTO], Quality.EXACT, 2),
        (1.0, [], Quality.EXACT, 0),
        (1.5, [], Quality.BALANCED, 3),
        (1.5, [], Quality.FEW_STEPS, 2),
        (1.5, [], Quality.FAST, 0),
    ],
    ids=["text", "edit", "without guidance", "balanced", "few steps", "fast"],
)
def test_a_picture_of_two_devices_is_that_of_one(
    dit_model: DitModel,
    second: DitModel,
    second_passes: list[int],
    guidance: float,
    images: Sequence[Image.Image],
    quality: Quality,
    away: int,
) -> None:
    steps = 2 if quality is Quality.EXACT else 5
    claim = make_claim(height=320, steps=steps, guidance=guidance, prompt=QUOTED, images=images, quality=quality)
    two = DitRunner(dit_model, denoiser=TwoDeviceDenoiser(dit_model, second))
    assert render(two, claim, images).tobytes() == render(DitRunner(dit_model), claim, images).tobytes()
    assert second_passes == [1] * away


@torch.no_grad()
def test_the_noise_of_every_row_is_the_same_and_in_its_place(dit_model: DitModel, second: DitModel) -> None:
    def noises(denoiser: Denoiser) -> list[torch.Tensor]:
        random = torch.Generator().manual_seed(1)
        glyphs = torch.randn(1, 5, dit_model.transformer.config.text_embed_dim, generator=random)
        empty = DitRunner(dit_model)._glyphs.empty
        times = denoiser.embed_times(torch.tensor([1000.0, 500.0]), 256, 256)
        rows = []
        for time in times.split(1):
            latents = torch.randn(1, 16, 32, 32, generator=random)
            token_ids = torch.randint(16_384, (1, 256), generator=random)
            rows += [Row(latents, time, denoiser.unconditional(empty, None))]
            rows += [Row(latents, time, denoiser.conditional(glyphs, token_ids, None, None))]
        return denoiser.predict(rows, max_rows=1)

    pairs = zip(noises(TwoDeviceDenoiser(dit_model, second)), noises(Denoiser(dit_model)), strict=True)
    assert all(torch.equal(one, other) for one, other in pairs)


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (torch.AcceleratorError("an illegal memory access"), HelperGone),
        (torch.OutOfMemoryError("full"), torch.OutOfMemoryError),
    ],
)
@torch.no_grad()
def test_a_second_device_that_is_lost_is_told_from_one_that_is_full(
    dit_model: DitModel, second: DitModel, error: Exception, expected: type[Exception]
) -> None:
    """A lost device ends the worker. A full one only fails the render, or takes it alone."""

    def fail(*_: object) -> torch.Tensor:
        raise error

    denoiser = TwoDeviceDenoiser(dit_model, replace(second))
    denoiser._second._run_blocks = fail
    branch = denoiser.unconditional(DitRunner(dit_model)._glyphs.empty, None)
    row = Row(torch.zeros(1, 16, 32, 32), denoiser.embed_times(torch.tensor([500.0]), 256, 256), branch)
    with pytest.raises(expected):
        denoiser.predict([row], max_rows=1)
