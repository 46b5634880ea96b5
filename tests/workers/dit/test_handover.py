"""A render that several workers compute in turn gives the same picture to the bit, or starts its stage again."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

import pytest
import torch
from PIL import Image
from structlog.testing import capture_logs

from shared.ids import HolderId, ObjectKey, Revision
from shared.jobs.leases import Claim, Progress
from shared.jobs.spec import Quality
from tests.fixtures.pictures import photo_like
from tests.workers.dit.claims import make_claim, random_grid
from tests.workers.dit.fakes import FakeLeases, FakeObjects
from workers.dit.engine import DitEngine
from workers.dit.handover.saved_state import SavedState
from workers.dit.handover.store import Handovers
from workers.dit.model.loading import DitModel
from workers.dit.model.runner import DitRunner
from workers.dit.pictures.decoded import Decoded
from workers.dit.pictures.previews import Preview
from workers.engine.stepper import Outcome

PHOTO = photo_like(512, 512, seed=3)
STEPS = 8


@dataclass
class Fleet:
    """Workers with a model in common and nothing else but an object store."""

    model: DitModel
    objects: FakeObjects = field(default_factory=FakeObjects)
    leases: FakeLeases = field(default_factory=FakeLeases)
    previews: list[Preview] = field(default_factory=list)
    num_workers: int = 0
    num_steps: int = 0

    def handovers(self, **engine: str) -> Handovers:
        return Handovers(self.objects, {"device": "cpu", **engine}, kept_s=60.0)

    def render(self, claim: Claim, *leave_after: int) -> Decoded:
        """Every worker leaves once so many of the render's steps are done; the last one ends it."""
        for num_done in leave_after:
            claim = self.leave(claim, num_done)
        (outcome,) = self.work(self.engine(), claim, lambda engine: engine.is_idle)
        assert outcome.result
        return outcome.result

    def leave(self, claim: Claim, num_done: int) -> Claim:
        """The claim that the next worker gets."""
        engine = self.engine()
        self.work(engine, claim, lambda engine: engine.progress()[claim.render_id].done == num_done)
        unfinished = engine.unfinished(claim.render_id)
        engine.drop(claim.render_id)
        assert unfinished
        assert unfinished.num_done == num_done
        handover = self.handovers().store(self.leases, claim, unfinished)
        holder = HolderId(f"holder-{self.num_workers}")
        return replace(claim, lease=replace(claim.lease, holder=holder), handover=handover)

    def engine(self) -> DitEngine:
        self.num_workers += 1
        return DitEngine(DitRunner(self.model), lambda _: PHOTO, self.previews.append, self.handovers().load)

    def work(self, engine: DitEngine, claim: Claim, is_done: Callable[[DitEngine], bool]) -> Sequence[Outcome[Decoded]]:
        engine.admit(claim)
        engine._side_thread.submit(lambda: None).result()
        outcomes: list[Outcome[Decoded]] = []
        while not is_done(engine):
            outcomes += engine.step()
            self.num_steps += 1
        return outcomes


@pytest.fixture
def fleet(dit_model: DitModel) -> Fleet:
    return Fleet(dit_model)


def a_claim(quality: Quality = Quality.EXACT, images: Sequence[Image.Image] = (), **changes: object) -> Claim:
    """A claim of a render that takes `STEPS` denoise steps, whatever its quality."""
    size = {"width": 64, "height": 64, **changes}
    asked = STEPS * 5 // 2 if quality is Quality.FEW_STEPS else STEPS
    return make_claim(steps=asked, quality=quality, images=images, prompt='a sign that says "open"', **size)


@pytest.mark.parametrize("quality", list(Quality))
@pytest.mark.parametrize(("images", "leave_after"), [([], (1, 4, 7)), ([PHOTO], (3, 6))], ids=["text", "edit"])
def test_a_render_that_went_through_several_workers_is_the_same_to_the_bit(
    fleet: Fleet, quality: Quality, images: Sequence[Image.Image], leave_after: Sequence[int]
) -> None:
    claim = a_claim(quality, images)
    alone = fleet.render(claim).image.tobytes()
    fleet.num_steps = 0
    assert fleet.render(claim, *leave_after).image.tobytes() == alone
    assert fleet.num_steps == STEPS, "no step is computed twice"


@pytest.mark.parametrize("quality", list(Quality))
def test_every_step_is_a_good_one_to_leave_after(fleet: Fleet, quality: Quality) -> None:
    claim = a_claim(quality)
    alone = fleet.render(claim).image.tobytes()
    assert fleet.render(claim, *range(1, STEPS)).image.tobytes() == alone


def test_a_render_without_guidance_goes_on_too(fleet: Fleet) -> None:
    claim = a_claim(Quality.FAST, guidance=1.0)
    assert fleet.render(claim, 6).image.tobytes() == fleet.render(claim).image.tobytes()


def test_progress_goes_on_from_the_step_and_no_preview_comes_twice(fleet: Fleet) -> None:
    claim = fleet.leave(replace(a_claim(), partial_images=3), 5)
    engine = fleet.engine()
    engine.admit(claim)
    assert engine.progress() == {claim.render_id: Progress(5, STEPS)}
    fleet.render(claim)
    assert [preview.number for preview in fleet.previews] == [1, 2, 3]


def test_what_is_told_of_the_picture_counts_the_seconds_of_all_workers(fleet: Fleet) -> None:
    claim = fleet.leave(a_claim(), 6)
    assert claim.handover
    data = fleet.handovers().load(claim)
    assert data
    earlier_s = SavedState.from_bytes(data, claim.settings).denoise_s
    assert 0 < earlier_s < fleet.render(claim).denoise_s


def test_a_render_that_has_done_no_step_leaves_nothing(fleet: Fleet) -> None:
    engine, claim = fleet.engine(), a_claim()
    assert engine.unfinished(claim.render_id) is None
    engine.admit(claim)
    assert engine.unfinished(claim.render_id) is None


def gone(fleet: Fleet, claim: Claim) -> Claim:
    fleet.objects.kept.clear()
    return claim


def damaged(fleet: Fleet, claim: Claim) -> Claim:
    assert claim.handover
    data = fleet.objects.kept[claim.handover.key]
    fleet.objects.kept[claim.handover.key] = data[:-1] + bytes([data[-1] ^ 1])
    return claim


def of_another_model(fleet: Fleet, claim: Claim) -> Claim:
    return replace(claim, revision=Revision("another"))


def of_another_seed(fleet: Fleet, claim: Claim) -> Claim:
    return replace(claim, seed=claim.seed + 1)


def of_other_tokens(fleet: Fleet, claim: Claim) -> Claim:
    assert claim.prior
    return replace(claim, prior=replace(claim.prior, grid=random_grid(claim.prior.grid.size, seed=99)))


def unreachable(fleet: Fleet, claim: Claim) -> Claim:
    fleet.objects.is_away = True
    return claim


@pytest.mark.parametrize("change", [gone, damaged, of_another_model, of_another_seed, of_other_tokens, unreachable])
def test_what_cannot_be_used_costs_the_steps_and_nothing_else(
    fleet: Fleet, change: Callable[[Fleet, Claim], Claim]
) -> None:
    claim = change(fleet, fleet.leave(a_claim(), 6))
    with capture_logs() as logs:
        picture = fleet.render(claim).image
    assert "render.not_resumed" in [line["event"] for line in logs]
    assert picture.tobytes() == fleet.render(replace(claim, handover=None)).image.tobytes()


def test_latents_of_an_engine_that_computes_otherwise_are_not_used(fleet: Fleet) -> None:
    claim = fleet.leave(a_claim(), 6)
    assert fleet.handovers().load(claim)
    assert fleet.handovers(weights="fp8").load(claim) is None


@pytest.mark.parametrize("data", [b"", b"\0" * 64, b'{"latents"', b"\xff" * 9])
def test_bytes_that_are_no_state_are_named(data: bytes) -> None:
    with pytest.raises(ValueError, match="it can't be read"):
        SavedState.from_bytes(data, a_claim().settings)


@pytest.mark.parametrize(
    ("num_done", "side", "dtype"),
    [(0, 8, torch.float32), (STEPS, 8, torch.float32), (3, 32, torch.float32), (3, 8, torch.float16)],
)
def test_a_state_that_does_not_fit_its_render_is_refused(num_done: int, side: int, dtype: torch.dtype) -> None:
    data = SavedState(num_done, 1.0, torch.zeros(1, 4, side, side, dtype=dtype)).to_bytes()
    with pytest.raises(ValueError, match=r"it has done|another size or type"):
        SavedState.from_bytes(data, a_claim().settings)


@pytest.mark.parametrize("quality", list(Quality))
def test_a_state_of_another_solver_is_refused(quality: Quality) -> None:
    previous = None if quality is Quality.FEW_STEPS else torch.zeros(1, 4, 8, 8)
    data = SavedState(3, 1.0, torch.zeros(1, 4, 8, 8), previous=previous).to_bytes()
    with pytest.raises(ValueError, match="its solver is another"):
        SavedState.from_bytes(data, a_claim(quality).settings)


def test_latents_of_a_large_picture_take_a_mebibyte() -> None:
    assert len(SavedState(3, 1.0, torch.zeros(1, 16, 128, 128)).to_bytes()) < 1.01 * 2**20


def test_the_object_is_named_in_the_store_before_it_is_there(fleet: Fleet) -> None:
    fleet.objects.is_away = True
    with pytest.raises(Exception, match="does not answer"):
        fleet.leave(a_claim(), 2)
    assert fleet.leases.handovers == [ObjectKey("jobs/job/0000/holder/unfinished")]
