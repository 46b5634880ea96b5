import dataclasses
import gc
import threading
import weakref
from collections.abc import Callable, Sequence

import pytest
import torch
from PIL import Image

from shared.errors import ObjectStoreUnavailable, RenderFailed
from shared.ids import ObjectKey, RenderId
from shared.jobs.leases import Claim, Progress
from shared.jobs.spec import Priority
from tests.fixtures.pictures import photo_like
from tests.workers.dit.claims import make_claim, random_grid
from tests.workers.dit.rendering import largest_difference, render
from workers.dit.engine import DitEngine
from workers.dit.model.denoise_state import DenoiseState
from workers.dit.model.denoiser import Denoiser
from workers.dit.model.loading import DitModel
from workers.dit.model.runner import DitRunner
from workers.dit.pictures.decoded import Decoded
from workers.dit.pictures.previews import Preview, preview_steps
from workers.engine.stepper import Outcome

VICTIM_WIDTH_PX = 320  # a sabotaged model strikes renders of this width alone


def no_images(key: ObjectKey) -> Image.Image:
    raise AssertionError(f"nobody asked for {key}")


def ignore(preview: Preview) -> None: ...


def make_engine(runner: DitRunner, load_image: Callable[[ObjectKey], Image.Image] = no_images) -> DitEngine:
    return DitEngine(runner, load_image, on_preview=ignore)


def run(engine: DitEngine, *claims: Claim) -> Sequence[Outcome[Decoded]]:
    """Admits the claims and steps until nothing is left; outcomes in the order in which renders left."""
    for claim in claims:
        engine.admit(claim)
        prepared(engine)
    outcomes: list[Outcome[Decoded]] = []
    while not engine.is_idle:
        outcomes += engine.step()
    return outcomes


def prepared(engine: DitEngine) -> None:
    """Waits for the side thread, so that a test knows who is ready."""
    engine._side_thread.submit(lambda: None).result()


def sabotaged(model: DitModel, strike: Callable[[torch.Tensor], torch.Tensor]) -> DitRunner:
    """A runner that passes the victim's predicted noise through `strike`."""

    class Sabotaged(Denoiser):
        def predict(self, *args: object) -> list[torch.Tensor]:
            return [strike(noise) if is_victims(noise) else noise for noise in super().predict(*args)]

    def is_victims(noise: torch.Tensor) -> bool:
        return noise.shape[-1] * model.vae_scale_factor == VICTIM_WIDTH_PX

    return DitRunner(model, Sabotaged(model))


def out_of_memory(noise: torch.Tensor) -> torch.Tensor:
    raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB.\nand ten more lines")


def crash(noise: torch.Tensor) -> torch.Tensor:
    raise ZeroDivisionError


STRIKES = [
    (lambda noise: noise / 0, "nan_latents"),
    (lambda noise: noise * torch.nan, "nan_latents"),
    (out_of_memory, "out_of_memory"),  # in the second try, too
    (crash, "engine_error"),
]


def test_a_render_leaves_with_its_picture_in_its_last_step(runner: DitRunner) -> None:
    claim, engine = make_claim(steps=3), make_engine(runner)
    engine.admit(claim)
    prepared(engine)
    seen = []
    for _ in range(3):
        seen.append(engine.progress().get(claim.render_id))
        outcomes = engine.step()
    assert seen == [Progress(0, 3), Progress(1, 3), Progress(2, 3)]
    assert largest_difference(outcomes[0].result.image, render(runner, claim)) <= 1
    assert engine.is_idle
    assert engine.step() == ()


def test_renders_leave_in_the_order_in_which_they_came(runner: DitRunner) -> None:
    claims = [make_claim(name, steps=steps) for name, steps in (("a", 3), ("b", 1), ("c", 2))]
    assert [outcome.claim for outcome in run(make_engine(runner), *claims)] == claims


def test_a_dropped_render_leaves_the_others_as_if_alone(runner: DitRunner) -> None:
    photo = photo_like(512, 512, seed=1)
    dropped = make_claim("dropped", images=[photo], steps=3, prompt='"sale"')
    first, last = make_claim("first", seed=1), make_claim("last", seed=2, prompt='"open"')
    engine = make_engine(runner, lambda _: photo)
    engine.admit(dropped)
    prepared(engine)
    engine.step()
    engine.admit(first)
    engine.drop(dropped.render_id)
    pictures = [outcome.result.image for outcome in run(engine, last)]
    for claim, picture in zip((first, last), pictures, strict=True):
        assert largest_difference(picture, render(runner, claim)) <= 1


def test_dropping_an_unknown_render_is_nothing(runner: DitRunner) -> None:
    engine = make_engine(runner)
    engine.drop(make_claim().render_id)
    assert engine.is_idle


def test_a_render_that_was_claimed_again_starts_anew_under_the_newer_claim(runner: DitRunner) -> None:
    engine = make_engine(runner)
    lost, again = make_claim(steps=2), make_claim(steps=2, seed=99)
    engine.admit(lost)
    prepared(engine)
    engine.step()
    assert [outcome.claim for outcome in run(engine, again)] == [again]
    assert engine.step() == ()


@pytest.mark.parametrize(("strike", "reason"), STRIKES)
def test_a_render_that_breaks_fails_by_name_and_alone(
    dit_model: DitModel, strike: Callable[[torch.Tensor], torch.Tensor], reason: str
) -> None:
    runner = sabotaged(dit_model, strike)
    neighbours = [make_claim("before"), make_claim("after")]
    victim = make_claim("victim", width=VICTIM_WIDTH_PX)
    before, failed, after = run(make_engine(runner), neighbours[0], victim, neighbours[1])
    assert (failed.claim, failed.result) == (victim, None)
    assert isinstance(failed.error, RenderFailed)
    assert failed.error.reason == reason
    assert before.result
    assert after.result


def test_a_failed_render_leaves_nothing_in_memory(dit_model: DitModel, monkeypatch: pytest.MonkeyPatch) -> None:
    runner, states = sabotaged(dit_model, out_of_memory), []

    def begin(*args: object) -> DenoiseState:
        state = DitRunner.begin(runner, *args)
        states.append(weakref.ref(state))
        return state

    monkeypatch.setattr(runner, "begin", begin)
    gc.disable()  # the memory comes back at once, not when a collector happens to run
    try:
        outcomes = run(make_engine(runner), make_claim(width=VICTIM_WIDTH_PX))
        assert [state() for state in states] == [None, None]  # of the first try and of the second
    finally:
        gc.enable()
    assert outcomes[0].error


def test_a_claim_without_a_prior_is_refused(runner: DitRunner) -> None:
    engine = make_engine(runner)
    with pytest.raises(RenderFailed) as refused:
        engine.admit(dataclasses.replace(make_claim(), prior=None))
    assert refused.value.reason == "bad_prior"
    assert engine.is_idle


def test_a_prior_of_another_size_is_refused(runner: DitRunner) -> None:
    other = make_claim(width=512).prior
    with pytest.raises(RenderFailed, match="8x16, not 8x8"):
        make_engine(runner).admit(dataclasses.replace(make_claim(), prior=other))


def test_an_edit_without_the_vq_ids_of_its_images_is_refused(runner: DitRunner) -> None:
    edit = make_claim(images=[photo_like(512, 512, seed=0)])
    with pytest.raises(RenderFailed, match="0 condition grids for 1 images"):
        make_engine(runner).admit(dataclasses.replace(edit, prior=make_claim().prior))


def test_condition_images_are_loaded_by_key_in_their_order(runner: DitRunner) -> None:
    photos = {ObjectKey(f"edit/{k}"): photo_like(*size, seed=k) for k, size in enumerate([(512, 544), (640, 512)])}
    claim = make_claim("edit", images=list(photos.values()))
    (outcome,) = run(make_engine(runner, photos.__getitem__), claim)
    assert largest_difference(outcome.result.image, render(runner, claim, list(photos.values()))) <= 1


def test_condition_images_are_let_go_of_with_the_last_edit_though_other_work_goes_on(
    runner: DitRunner, monkeypatch: pytest.MonkeyPatch
) -> None:
    photo = photo_like(512, 512, seed=1)
    engine = make_engine(runner, lambda _: photo)
    engine.admit(make_claim("edit", images=[photo]))
    freed: list[bool] = []
    monkeypatch.setattr(runner, "free", lambda: freed.append(True))
    engine.admit(make_claim("plain"))
    engine.drop(RenderId("plain"))
    assert not freed
    engine.admit(make_claim("plain"))
    engine.drop(RenderId("edit"))
    assert freed
    engine.close()


def unreadable(key: ObjectKey) -> Image.Image:
    raise Image.UnidentifiedImageError(f"no picture in {key}")


def other_size(key: ObjectKey) -> Image.Image:
    return photo_like(512, 544, seed=0)


@pytest.mark.parametrize("load_image", [unreadable, other_size])
def test_a_condition_image_that_cannot_be_used_fails_its_render_alone(
    runner: DitRunner, load_image: Callable[[ObjectKey], Image.Image]
) -> None:
    edit = make_claim("edit", images=[photo_like(512, 512, seed=0)])
    failed, other = run(make_engine(runner, load_image), edit, make_claim("other"))
    assert isinstance(failed.error, RenderFailed)
    assert failed.error.reason == "bad_condition_image"
    assert other.result


def test_an_object_store_that_is_away_is_reported_as_such(runner: DitRunner) -> None:
    def away(key: ObjectKey) -> Image.Image:
        raise ObjectStoreUnavailable("the object store does not answer")

    (failed,) = run(make_engine(runner, away), make_claim(images=[photo_like(512, 512, seed=0)]))
    assert isinstance(failed.error, ObjectStoreUnavailable)


def test_condition_grids_belong_to_their_own_images(runner: DitRunner) -> None:
    photo = photo_like(512, 512, seed=0)
    claim = make_claim(images=[photo])
    swapped = dataclasses.replace(claim.prior, condition_grids=(random_grid(claim.prior.condition_grids[0].size, 77),))
    pictures = [render(runner, dataclasses.replace(claim, prior=prior), [photo]) for prior in (claim.prior, swapped)]
    assert largest_difference(*pictures) > 1


def test_a_higher_class_goes_first_between_steps_and_no_picture_shows_it(runner: DitRunner) -> None:
    engine = make_engine(runner)
    low = dataclasses.replace(make_claim("low", steps=3, seed=1), priority=Priority.BATCH)
    peer = dataclasses.replace(make_claim("peer", steps=2, seed=2), priority=Priority.BATCH)
    high = make_claim("high", steps=2, seed=3, prompt='"sale"')
    for claim in (low, peer):
        engine.admit(claim)
    prepared(engine)
    engine.step()
    outcomes = run(engine, high)
    assert [outcome.claim for outcome in outcomes] == [high, low, peer]
    for outcome in outcomes:
        assert outcome.result
        assert largest_difference(outcome.result.image, render(runner, outcome.claim)) <= 1


def test_a_device_that_is_lost_fails_no_render_but_the_engine(dit_model: DitModel) -> None:
    def lose(noise: torch.Tensor) -> torch.Tensor:
        raise torch.AcceleratorError("CUDA error: an illegal memory access was encountered")

    engine = make_engine(sabotaged(dit_model, lose))
    engine.admit(make_claim(width=VICTIM_WIDTH_PX))
    prepared(engine)
    with pytest.raises(torch.AcceleratorError):
        engine.step()


def test_a_librarys_fault_on_a_gpu_that_no_longer_responds_fails_no_render_but_the_engine(
    dit_model: DitModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    """cuBLAS, cuDNN and Triton raise plain errors, which look like those of one render."""

    def lose(*_: object) -> torch.Tensor:
        raise RuntimeError("cuDNN error: CUDNN_STATUS_EXECUTION_FAILED")

    monkeypatch.setattr(DitRunner, "device", torch.device("cuda"))
    monkeypatch.setattr(torch.cuda, "synchronize", lose)
    engine = make_engine(sabotaged(dit_model, lose))
    engine.admit(make_claim(width=VICTIM_WIDTH_PX))
    prepared(engine)
    with pytest.raises(RuntimeError, match="cuDNN"):
        engine.step()


def test_who_is_still_being_prepared_keeps_nobody_waiting(runner: DitRunner) -> None:
    may_load = threading.Event()
    photo = photo_like(512, 512, seed=0)

    def load_slowly(key: ObjectKey) -> Image.Image:
        may_load.wait()
        return photo

    engine = make_engine(runner, load_slowly)
    ready = make_claim("ready", steps=2)
    engine.admit(ready)
    prepared(engine)
    engine.admit(make_claim("slow", images=[photo]))
    assert engine.in_step() == {"ready", "slow"}
    outcomes = [*engine.step(), *engine.step()]
    assert [outcome.claim for outcome in outcomes] == [ready]
    assert engine.step() == ()
    may_load.set()
    prepared(engine)
    assert [outcome.claim.render_id for outcome in run(engine)] == ["slow"]


def test_an_engine_with_nobody_prepared_says_that_it_only_waits(runner: DitRunner) -> None:
    may_load = threading.Event()

    def load_slowly(key: ObjectKey) -> Image.Image:
        may_load.wait()
        return photo_like(512, 512, seed=0)

    engine = make_engine(runner, load_slowly)
    engine.admit(make_claim("slow", images=[photo_like(512, 512, seed=0)]))
    engine.in_step()
    assert engine.is_waiting
    assert engine.step() == ()
    may_load.set()
    prepared(engine)
    engine.in_step()
    assert not engine.is_waiting
    run(engine)


@pytest.mark.parametrize(
    ("num_steps", "count", "due"), [(4, 3, [1, 2, 3]), (50, 2, [17, 33]), (2, 3, [1]), (1, 3, []), (20, 0, [])]
)
def test_previews_are_evenly_spaced_and_never_the_picture_itself(num_steps: int, count: int, due: list[int]) -> None:
    assert preview_steps(num_steps, count) == due


def test_previews_are_taken_on_the_way_and_change_nothing(runner: DitRunner) -> None:
    seen: list[Preview] = []
    engine = DitEngine(runner, no_images, seen.append)
    claim = make_claim(steps=4)
    (outcome,) = run(engine, dataclasses.replace(claim, partial_images=3))
    assert [(preview.number, preview.total) for preview in seen] == [(1, 3), (2, 3), (3, 3)]
    assert outcome.result
    assert largest_difference(outcome.result.image, render(runner, claim)) <= 1


def test_a_preview_that_fails_costs_its_render_nothing(runner: DitRunner, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runner, "preview", lambda _: out_of_memory(torch.empty(0)))
    (outcome,) = run(make_engine(runner), dataclasses.replace(make_claim(steps=4), partial_images=1))
    assert outcome.result


def test_the_device_is_busy_while_there_is_work(runner: DitRunner) -> None:
    engine = make_engine(runner)
    run(engine, make_claim(steps=3))
    assert 0 < engine.busy.device_s <= engine.busy.work_s
    known = engine.busy.work_s
    run(engine, make_claim(steps=1))
    assert engine.busy.work_s > known
