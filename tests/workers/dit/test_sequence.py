"""One picture on two and on four devices: here CPU processes with gloo. The picture is that of one device."""

import gc
import os
import queue
import signal
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
import torch
from PIL import Image

from shared.errors import Misconfigured
from shared.jobs.spec import Quality
from shared.settings.settings import Settings
from tests.fixtures.pictures import photo_like
from tests.workers.dit.claims import make_claim
from tests.workers.dit.forked import ForkedPopen, import_ahead
from tests.workers.dit.rendering import largest_difference, render
from workers.device.loss import HelperGone, is_device_lost
from workers.dit.engine import DitEngine
from workers.dit.model.choosing import sequence_size
from workers.dit.model.denoiser import Denoiser
from workers.dit.model.loading import DitModel, load_dit_model
from workers.dit.model.options import DitOptions
from workers.dit.model.runner import DitRunner
from workers.dit.sequence.process import HelperProcess
from workers.dit.sequence.split import Split, own_heads
from workers.dit.sequence.split_blocks import Helpers, SplitBlocks

WAIT_S = 60.0  # a bound for a hung test, never reached by a passing one
CPU = torch.device("cpu")
PHOTOS = [photo_like(512, 512, seed=3), photo_like(512, 544, seed=4)]
LEAST_PX = 256 * 288
deaths: "queue.Queue[int]" = queue.Queue()

# The glyph tokens of a prompt without quoted text are fewer than four: some devices have none.
CASES = {
    "text": (make_claim(height=288, steps=2), []),
    "quoted text": (make_claim(width=288, height=352, steps=1, prompt="a shop that says 'open until late'"), []),
    "edit": (make_claim("a", height=288, steps=2, images=PHOTOS[:1], prompt="it says 'x'"), PHOTOS[:1]),
    "edit of two images": (make_claim("b", height=288, steps=1, images=PHOTOS), PHOTOS),
    "fast": (make_claim(height=288, steps=5, guidance=1.0, quality=Quality.FAST), []),
}


@pytest.fixture(scope="module")
def alone(dit_model: DitModel) -> Sequence[Image.Image]:
    return [render(DitRunner(dit_model), claim, images) for claim, images in CASES.values()]


@pytest.fixture(scope="module")
def model(tiny_checkpoint: Path) -> DitModel:
    return load_dit_model(str(tiny_checkpoint), CPU, torch.float32)


@pytest.fixture(scope="module", params=[2, 4])
def blocks(request: pytest.FixtureRequest, tiny_checkpoint: Path, model: DitModel) -> Iterator[SplitBlocks]:
    """The blocks on so many devices. The processes start once, and the last test of this module kills one. Of two
    devices the process starts as it does in a worker.
    """
    devices = [CPU] * (request.param - 1)
    with pytest.MonkeyPatch.context() as patch:
        if request.param > 2:
            patch.setattr("workers.dit.sequence.process.subprocess.Popen", ForkedPopen)
        else:
            import_ahead()
        helpers = Helpers(str(tiny_checkpoint), model, devices, DitOptions(), deaths.put)
    yield SplitBlocks(model, helpers, LEAST_PX)
    helpers.close()


def test_a_picture_of_several_devices_is_that_of_one(
    model: DitModel, blocks: SplitBlocks, alone: Sequence[Image.Image], passes: list[int]
) -> None:
    """All renders are begun first and take turns, as they do when a more urgent one pre-empts another."""
    runner = DitRunner(model, Denoiser(model, blocks))
    states = [runner.start(claim, images) for claim, images in CASES.values()]
    while waiting := [state for state in states if not state.is_done]:
        for state in waiting:
            runner.denoise_step(state)
    differences = {
        name: largest_difference(runner.decode(state), picture)
        for name, state, picture in zip(CASES, states, alone, strict=True)
    }
    assert max(differences.values()) <= 1, differences
    assert not passes, "the model of `alone` must not have been used"


def test_helpers_drop_the_keys_of_images_that_the_worker_has_dropped(model: DitModel, blocks: SplitBlocks) -> None:
    runner = DitRunner(model, Denoiser(model, blocks))
    claim, images = CASES["edit"]
    state = runner.start(claim, images)
    runner.denoise_step(state)
    (known,) = blocks._sent.values()
    state.set_conditions(None)
    runner.free()
    gc.collect()
    assert known in blocks._unused
    runner.restore_conditions(state, runner.prepare(claim, images))
    runner.denoise_step(state)
    assert not blocks._unused
    assert list(blocks._sent.values()) == [known + 1]


def test_a_small_picture_stays_on_the_workers_device(
    model: DitModel, blocks: SplitBlocks, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_: object) -> None:
        raise AssertionError("the helpers were asked")

    monkeypatch.setattr(blocks._helpers, "announce", fail)
    runner = DitRunner(model, Denoiser(model, blocks))
    runner.denoise_step(runner.start(make_claim(), []))
    with pytest.raises(HelperGone, match="the helpers were asked"):
        runner.denoise_step(runner.start(make_claim(height=288), []))


def test_a_helper_that_dies_is_noticed_and_fails_no_render(model: DitModel, blocks: SplitBlocks) -> None:
    """The last test of its processes."""
    engine, claim = (
        DitEngine(DitRunner(model, Denoiser(model, blocks)), lambda _: PHOTOS[0], lambda _: None),
        make_claim(height=288),
    )
    os.kill(blocks._helpers.pids[-1], signal.SIGKILL)
    assert deaths.get(timeout=WAIT_S) == -signal.SIGKILL
    engine.admit(claim)
    engine._renders[claim.render_id].preparation.result()
    with pytest.raises(HelperGone) as gone:
        engine.step()
    assert is_device_lost(gone.value, CPU), "else the render would fail, though any other worker can finish it"
    engine.drop(claim.render_id)
    engine.close()


@pytest.mark.parametrize("num_ranks", [2, 3, 4])
@pytest.mark.parametrize(("num_image", "num_glyphs"), [(306, 2), (64, 0), (65, 7), (1024, 3)])
def test_every_token_is_on_one_device(num_ranks: int, num_image: int, num_glyphs: int) -> None:
    splits = [Split.of(rank, num_ranks, num_image, num_glyphs) for rank in range(num_ranks)]
    for count, parts in ((num_image, [s.own_image for s in splits]), (num_glyphs, [s.own_glyphs for s in splits])):
        assert [token for part in parts for token in range(count)[part]] == list(range(count))
    assert max(splits[0].image) - min(splits[0].image) <= 1
    assert sum(splits[0].tokens) == num_image + num_glyphs


def test_every_head_is_on_one_device() -> None:
    assert [own_heads(rank, 4, 32) for rank in range(4)] == [slice(first, first + 8) for first in (0, 8, 16, 24)]


@pytest.mark.parametrize("size", ["1536", "100x100", "1536x1536,1024x1024", ""])
def test_a_smallest_size_that_is_none_is_refused_with_the_setting(size: str) -> None:
    assert sequence_size(Settings()) == (1536, 1536)
    assert sequence_size(Settings(dit_sequence_from="1024x512")) == (1024, 512)
    with pytest.raises(Misconfigured, match=f"GRIDPRESS_DIT_SEQUENCE_FROM={size}"):
        sequence_size(Settings(dit_sequence_from=size))


def test_devices_that_do_not_divide_the_heads_are_refused(tiny_checkpoint: Path, model: DitModel) -> None:
    with pytest.raises(Misconfigured, match="3 devices, which do not divide the 4 attention heads"):
        Helpers(str(tiny_checkpoint), model, [CPU] * 2, DitOptions(), deaths.put)


def test_a_helper_that_cannot_start_is_said() -> None:
    process = HelperProcess(deaths.put, "cuda:1", ("-c", "raise SystemExit(3)"))
    with pytest.raises(Misconfigured, match="cuda:1 could not be used"):
        process.wait_until(lambda: False)
    process.close()


def test_a_helper_ends_with_its_worker() -> None:
    """It reads its worker's end of the pipe, which the kernel closes when the worker is killed."""
    loop = "from sys import stdin; from workers.dit.sequence.orders import orders; [*orders(stdin.buffer)]"
    process = HelperProcess(deaths.put, "cpu", ("-c", loop))
    process.close()
    assert process._process.returncode == 0
