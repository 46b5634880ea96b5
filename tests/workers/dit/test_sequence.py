"""One picture on two and on four devices: here CPU processes with gloo. The picture is that of one device."""

import gc
import os
import queue
import signal
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import pytest
import torch
import torch.distributed as dist
from PIL import Image

from shared.errors import Misconfigured
from shared.ids import Revision
from shared.jobs.spec import Quality
from shared.schedule.starting_worker import StartPhase
from shared.settings.settings import Settings
from tests.fixtures.pictures import photo_like
from tests.workers.dit.claims import make_claim
from tests.workers.dit.forked import ForkedPopen, import_ahead
from tests.workers.dit.rendering import largest_difference, render
from workers.device.loss import HelperGone, is_device_lost
from workers.device.placement import Placement
from workers.dit import main
from workers.dit.engine import DitEngine
from workers.dit.model.choosing import sequence_size
from workers.dit.model.denoiser import Denoiser
from workers.dit.model.loading import DitModel, load_dit_model
from workers.dit.model.options import DitOptions
from workers.dit.model.runner import DitRunner
from workers.dit.sequence import split_blocks
from workers.dit.sequence.process import HelperNotReady, HelperProcess
from workers.dit.sequence.split import Split, own_heads
from workers.dit.sequence.split_blocks import Helpers, SplitBlocks
from workers.model.source import ModelSource

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
        process.wait_until(lambda: False, WAIT_S)
    process.close()


HANGS = ("-c", "from signal import pause; pause()")  # it does not read its input


def test_helpers_that_do_not_become_ready_in_time_are_said_in_one_line_and_ended(
    tiny_checkpoint: Path, model: DitModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    started = []

    def start(*given: Any) -> HelperProcess:
        started.append(HelperProcess(*given))
        return started[-1]

    monkeypatch.setattr(split_blocks, "_HELPER", HANGS)
    monkeypatch.setattr(split_blocks, "_READY_S", 0.1)
    monkeypatch.setattr(split_blocks, "HelperProcess", start)
    with pytest.raises(HelperNotReady, match=r"the device cpu did not load the model within 0 s$"):
        Helpers(str(tiny_checkpoint), model, [CPU], DitOptions(), deaths.put)
    assert [process._process.returncode for process in started] == [-signal.SIGKILL]


def test_helpers_that_cannot_connect_are_said_in_one_line_and_ended(
    tiny_checkpoint: Path, model: DitModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise dist.DistError("timed out\nat a place")

    monkeypatch.setattr(split_blocks, "_HELPER", HANGS)
    monkeypatch.setattr(split_blocks, "open_store", lambda *_: Mock())  # it says of each helper that it is ready
    monkeypatch.setattr(split_blocks, "join_group", fail)
    with pytest.raises(HelperNotReady, match=r"4 devices can't connect: timed out$"):
        Helpers(str(tiny_checkpoint), model, [CPU] * 3, DitOptions(), deaths.put)
    assert deaths.empty(), "the end of these helpers was wanted"


def test_no_helper_is_waited_for_before_all_may_end(monkeypatch: pytest.MonkeyPatch) -> None:
    """A helper may die when another one has ended, which must not look like a fault."""
    events: list[str] = []
    one, other = Mock(spec=HelperProcess), Mock(spec=HelperProcess)
    for name, process in (("one", one), ("other", other)):
        process.close_input.side_effect = partial(events.append, f"{name} may end")
        process.close.side_effect = partial(events.append, f"{name} has ended")
    monkeypatch.setattr(split_blocks.dist, "destroy_process_group", lambda: None)
    helpers = Helpers.__new__(Helpers)
    helpers._processes, helpers._folder = [one, other], Mock()
    helpers.close()
    assert events == ["one may end", "other may end", "one has ended", "other has ended"]


@pytest.mark.parametrize("setting", ["dit_guidance_devices", "dit_sequence_devices"])
def test_further_devices_load_in_a_phase_of_the_start_and_end_with_the_worker(
    model: DitModel, monkeypatch: pytest.MonkeyPatch, setting: str
) -> None:
    start, events = Mock(), []

    @contextmanager
    def phase(phase: StartPhase, _total_bytes: int = 0) -> Iterator[None]:
        events.append(f"begins {phase}")
        yield
        events.append(f"ends {phase}")

    def load(*_: object) -> DitModel:
        events.append("loads")
        return model

    start.phase, helpers = phase, Mock()
    monkeypatch.setattr(main, "_load", load)
    monkeypatch.setattr(main, "Helpers", lambda *given: load(*given) and helpers)
    settings, placement = Settings(**{setting: "cpu,cpu"}), Placement(CPU, torch.float32)
    with ExitStack() as closing:
        source = ModelSource("", Revision("r"))
        main._denoiser(settings, source, placement, model, DitOptions(), start=start, closing=closing)
        assert events == ["begins loading", "loads", "ends loading"]
        assert not helpers.close.called
    assert helpers.close.called == (setting == "dit_sequence_devices")


def test_a_helper_ends_with_its_worker() -> None:
    """It reads its worker's end of the pipe, which the kernel closes when the worker is killed."""
    loop = "from sys import stdin; from workers.dit.sequence.orders import orders; [*orders(stdin.buffer)]"
    process = HelperProcess(deaths.put, "cpu", ("-c", loop))
    process.close()
    assert process._process.returncode == 0
