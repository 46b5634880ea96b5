"""Guidance branches on two devices: here two CPU processes with gloo. The picture is that of one device."""

import os
import queue
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch

from shared.errors import Misconfigured
from shared.jobs.spec import Quality
from tests.fixtures.pictures import photo_like
from tests.workers.dit.claims import make_claim
from tests.workers.dit.rendering import render
from workers.device.loss import HelperGone, is_device_lost
from workers.dit.engine import DitEngine
from workers.dit.guidance.process import HelperProcess
from workers.dit.guidance.two_devices import Helper, TwoDeviceDenoiser
from workers.dit.model.denoiser import Denoiser, Row
from workers.dit.model.loading import DitModel
from workers.dit.model.options import DitOptions
from workers.dit.model.runner import DitRunner

WAIT_S = 30.0  # a bound for a hung test, never reached by a passing one
QUOTED = "a shop that says 'open'"
PHOTO = photo_like(512, 512, seed=3)

deaths: "queue.Queue[int]" = queue.Queue()


@pytest.fixture(scope="module")
def helper(tiny_checkpoint: Path, dit_model: DitModel) -> Iterator[Helper]:
    other = Helper(str(tiny_checkpoint), dit_model, torch.device("cpu"), DitOptions(), deaths.put)
    yield other
    other.close()


@pytest.mark.parametrize(
    ("guidance", "images", "quality"),
    [
        (1.5, [], Quality.EXACT),
        (4.0, [PHOTO], Quality.EXACT),
        (1.0, [], Quality.EXACT),
        (1.5, [], Quality.BALANCED),
        (1.5, [], Quality.FEW_STEPS),
    ],
    ids=["text", "edit", "without guidance", "balanced", "few steps"],
)
def test_a_picture_of_two_devices_is_that_of_one(
    dit_model: DitModel, helper: Helper, guidance: float, images: list, quality: Quality
) -> None:
    steps = 2 if quality is Quality.EXACT else 5
    claim = make_claim(height=320, steps=steps, guidance=guidance, prompt=QUOTED, images=images, quality=quality)
    two = DitRunner(dit_model, denoiser=TwoDeviceDenoiser(dit_model, helper))
    assert render(two, claim, images).tobytes() == render(DitRunner(dit_model), claim, images).tobytes()


@torch.no_grad()
def test_the_noise_of_every_row_is_the_same_and_in_its_place(dit_model: DitModel, helper: Helper) -> None:
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

    pairs = zip(noises(TwoDeviceDenoiser(dit_model, helper)), noises(Denoiser(dit_model)), strict=True)
    assert all(torch.equal(one, other) for one, other in pairs)


@torch.no_grad()
def test_noise_that_was_asked_for_is_taken_even_when_this_devices_pass_fails(dit_model: DitModel) -> None:
    """Else the next step would take it for its own."""
    taken: list[Row] = []

    class Noted(Helper):
        def __init__(self) -> None: ...

        def begin(self, row: Row) -> Callable[[], torch.Tensor]:
            return lambda: taken.append(row) or row.latents

    denoiser = TwoDeviceDenoiser(dit_model, Noted())
    empty = DitRunner(dit_model)._glyphs.empty
    (time,) = denoiser.embed_times(torch.tensor([500.0]), 256, 256).split(1)
    latents = torch.zeros(1, 16, 32, 32)
    away = Row(latents, time, denoiser.unconditional(empty, None))
    broken = Row(latents[:, :1], time, denoiser.conditional(empty, torch.zeros(1, 256, dtype=torch.long), None, None))
    with pytest.raises(RuntimeError):
        denoiser.predict([broken, away], max_rows=1)
    assert taken == [away]


def test_a_helper_that_dies_is_noticed_and_fails_no_render(dit_model: DitModel, helper: Helper) -> None:
    """The last test of this module: the helper is gone after it."""
    runner = DitRunner(dit_model, denoiser=TwoDeviceDenoiser(dit_model, helper))
    os.kill(helper.pid, signal.SIGKILL)
    assert deaths.get(timeout=WAIT_S) == -signal.SIGKILL
    engine, claim = DitEngine(runner, lambda _: PHOTO, on_preview=lambda _: None), make_claim()
    engine.admit(claim)
    engine._renders[claim.render_id].preparation.result()
    with pytest.raises(HelperGone) as gone:
        engine.step()
    assert is_device_lost(gone.value, torch.device("cpu")), (
        "else the render would fail, though any other worker can finish it"
    )
    engine.drop(claim.render_id)
    engine.close()


@torch.no_grad()
def test_nothing_is_sent_for_noise_that_finds_no_memory(dit_model: DitModel, monkeypatch: pytest.MonkeyPatch) -> None:
    """A row that was sent without its buffer would be answered in the next step, for another row."""

    def full(*_: object, **__: object) -> torch.Tensor:
        raise torch.OutOfMemoryError("CUDA out of memory")

    class Unsent(Helper):
        def __init__(self) -> None:
            """Without a process: using it would be an `AttributeError`."""

    denoiser = Denoiser(dit_model)
    branch = denoiser.unconditional(DitRunner(dit_model)._glyphs.empty, None)
    row = Row(torch.zeros(1, 16, 32, 32), denoiser.embed_times(torch.tensor([500.0]), 256, 256), branch)
    monkeypatch.setattr(torch, "empty", full)
    with pytest.raises(torch.OutOfMemoryError):
        Unsent().begin(row)


def test_a_helper_that_cannot_start_is_said() -> None:
    process = HelperProcess(deaths.put, ("-c", "raise SystemExit(3)"))
    with pytest.raises(Misconfigured, match="exit status 3"):
        process.wait_until(lambda: False)
    process.close()


def test_a_helper_ends_with_its_worker() -> None:
    """It reads its worker's end of the pipe, which the kernel closes when the worker is killed."""
    loop = "from sys import stdin; from workers.dit.guidance.orders import orders; [*orders(stdin.buffer)]"
    process = HelperProcess(deaths.put, ("-c", loop))
    process.close()
    assert process._process.returncode == 0
