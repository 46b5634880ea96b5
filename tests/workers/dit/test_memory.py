"""Which renders fit into the device's memory, and whose condition keys are given up. Plain Python but for the last."""

import dataclasses

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from shared.geometry import GridSize
from shared.ids import RenderId
from shared.jobs.leases import Claim
from shared.jobs.spec import Priority
from tests.fixtures.pictures import photo_like
from tests.workers.dit.claims import make_claim
from tests.workers.dit.rendering import render
from tests.workers.dit.test_engine import ignore, out_of_memory, prepared, run
from workers.dit.engine import DitEngine
from workers.dit.memory import MemoryBudget, RenderBytes
from workers.dit.model import runner as runner_module
from workers.dit.model.denoiser import Denoiser
from workers.dit.model.loading import DitModel
from workers.dit.model.runner import DitRunner
from workers.dit.scheduler import Scheduler

FIRST, SECOND, THIRD = RenderId("first"), RenderId("second"), RenderId("third")
ROOM = 100
NEEDS = st.builds(
    RenderBytes, held=st.integers(1, 20), working=st.integers(1, 60), conditions=st.sampled_from([0, 10, 40]),
    condition_set=st.sampled_from("abc"),
)  # fmt: skip
ARRIVALS = st.lists(
    st.tuples(st.sampled_from(Priority), NEEDS, st.integers(1, 4), st.integers(0, 20)), min_size=1, max_size=8
)


def an_edit(name: str, of: str = "", held: int = 5, conditions: int = 40) -> tuple[RenderId, RenderBytes]:
    return RenderId(name), RenderBytes(held, working=10, conditions=conditions, condition_set=of or name)


def a_book(*renders: tuple[RenderId, RenderBytes], room: int | None = ROOM) -> MemoryBudget:
    book = MemoryBudget(room)
    for render_id, need in renders:
        book.add(render_id, need)
    return book


def test_what_was_pre_empted_keeps_its_condition_keys_while_there_is_room() -> None:
    book = a_book(an_edit(FIRST, conditions=30), an_edit(SECOND, conditions=30))
    assert not book.begin(FIRST)
    assert not book.begin(SECOND)
    assert book.booked(SECOND) == 5 + 5 + 30 + 30 + 10


def test_what_was_pre_empted_loses_its_condition_keys_where_another_needs_the_room() -> None:
    book = a_book(an_edit(FIRST, conditions=45), an_edit(SECOND, conditions=45))
    assert not book.begin(FIRST)
    assert book.begin(SECOND) == [FIRST]
    assert book.begin(FIRST) == [SECOND]


def test_renders_of_one_job_share_their_condition_keys() -> None:
    book = a_book(an_edit(FIRST, "job"), an_edit(SECOND, "job"))
    assert not book.begin(FIRST)
    assert not book.begin(SECOND)
    assert book.booked(SECOND) == 5 + 5 + 40 + 10


def test_a_render_that_does_not_fit_beside_what_has_begun_waits_for_it() -> None:
    book = a_book(an_edit(FIRST, held=30), an_edit(SECOND, held=30))
    book.begin(FIRST)
    assert not book.fits(SECOND)
    book.remove(FIRST)
    assert book.fits(SECOND)


def test_what_is_larger_than_the_device_is_tried_with_nothing_beside_it() -> None:
    book = a_book(an_edit(FIRST, conditions=1_000), an_edit(SECOND))
    assert book.fits(FIRST)
    book.begin(FIRST)
    assert not book.fits(SECOND)


def test_a_render_that_is_tried_alone_has_no_condition_keys_beside_it() -> None:
    book = a_book(an_edit(FIRST), an_edit(SECOND), room=None)
    book.begin(FIRST)
    book.set_alone(SECOND)
    assert book.begin(SECOND) == [FIRST]


@given(ARRIVALS)
@settings(max_examples=60, deadline=None)
def test_memory_is_never_over_the_budget_and_every_render_ends(
    arrivals: list[tuple[Priority, RenderBytes, int, int]],
) -> None:
    """Only a render that could never fit is over it, and then it is alone."""
    scheduler, book = Scheduler(), MemoryBudget(ROOM)
    due = sorted(enumerate(arrivals), key=lambda arrival: arrival[1][3])
    left: dict[RenderId, int] = {}
    begun: set[RenderId] = set()
    tick = 0
    while due or left:
        while due and due[0][1][3] <= tick:
            index, (priority, need, steps, _) = due.pop(0)
            claim = dataclasses.replace(make_claim(str(index)), priority=priority)
            scheduler.add(claim)
            sizes = {"a": 10, "b": 10, "c": 40}  # one set has one size
            book.add(claim.render_id, dataclasses.replace(need, conditions=sizes[str(need.condition_set)]))
            left[claim.render_id] = steps
        tick += 1
        chosen = scheduler.next_render(lambda _: True, book.fits)
        assert (chosen is not None) == bool(left), "a step is never left out while a render waits"
        if chosen is None:
            continue
        assert book.fits(chosen)
        book.begin(chosen)
        begun.add(chosen)
        assert book.booked(chosen) <= ROOM or begun == {chosen}
        left[chosen] -= 1
        if not left[chosen]:
            del left[chosen]
            begun.remove(chosen)
            scheduler.remove(chosen)
            book.remove(chosen)


def test_nothing_new_begins_before_a_render_that_waits_for_memory() -> None:
    scheduler = Scheduler()
    for name in (FIRST, SECOND, THIRD):
        scheduler.add(make_claim(name))
    assert scheduler.next_render(lambda _: True) == FIRST

    def all_but_the_second(render_id: RenderId) -> bool:
        return render_id != SECOND

    assert scheduler.next_render(lambda _: True, all_but_the_second) == FIRST
    scheduler.remove(FIRST)
    assert scheduler.next_render(lambda _: True, all_but_the_second) is None
    assert scheduler.next_render(lambda _: True) == SECOND


def edit_and_person(runner: DitRunner, room_bytes: int | None) -> tuple[DitEngine, Claim, Claim]:
    """An edit that a person's edit has pre-empted after a step."""
    photo = photo_like(512, 512, seed=1)
    engine = DitEngine(runner, lambda _: photo, ignore, room_bytes=room_bytes)
    low = dataclasses.replace(make_claim("low", steps=3, images=[photo]), priority=Priority.BATCH)
    high = make_claim("high", steps=1, seed=3, images=[photo])
    engine.admit(low)
    prepared(engine)
    engine.step()
    engine.admit(high)
    prepared(engine)
    engine.step()
    return engine, low, high


def test_an_edit_that_lost_its_condition_keys_is_the_same_picture_to_the_bit(
    runner: DitRunner,
) -> None:
    photo = photo_like(512, 512, seed=1)
    need = runner.needs(make_claim("low", images=[photo]))
    engine, low, _ = edit_and_person(runner, room_bytes=2 * need.held + need.working + need.conditions)
    state = engine._renders[low.render_id].state
    assert state
    assert state.conditions is None
    (outcome,) = run(engine)
    assert outcome.result
    assert _pixels(outcome.result.image) == _pixels(render(runner, low, [photo]))


def test_with_room_for_both_an_edit_keeps_its_condition_keys(runner: DitRunner) -> None:
    engine, low, _ = edit_and_person(runner, room_bytes=None)
    state = engine._renders[low.render_id].state
    assert state
    assert state.conditions is not None
    engine.close()


@pytest.mark.parametrize(("part", "name"), [(Denoiser, "predict"), (runner_module, "decode_latents")])
def test_a_render_that_ran_out_of_memory_once_is_tried_again_alone(
    dit_model: DitModel, monkeypatch: pytest.MonkeyPatch, part: object, name: str
) -> None:
    runner, claim = DitRunner(dit_model), make_claim(steps=2)
    whole, calls = getattr(part, name), []

    def full_once(*args: object) -> object:
        calls.append(1)
        return out_of_memory(torch.empty(0)) if len(calls) == 1 else whole(*args)

    monkeypatch.setattr(part, name, full_once)
    (outcome,) = run(DitEngine(runner, _no_image, ignore), claim)
    assert outcome.result
    monkeypatch.undo()
    assert _pixels(outcome.result.image) == _pixels(render(runner, claim))


def test_the_bytes_of_a_large_edit_are_those_that_the_documentation_tells(dit_model: DitModel) -> None:
    """Keys and values of the transformer's width for each layer and token. The full model has 30 layers of 4,096."""
    photo = photo_like(512, 512, seed=1)
    config = dit_model.transformer.config
    width = config.num_attention_heads * config.attention_head_dim
    need = DitRunner(dit_model).needs(make_claim(images=[photo]))
    assert need.conditions == 2 * config.num_layers * 1_024 * width * 4
    assert 2 * 30 * 4 * GridSize(32, 32).num_tokens * 4_096 * 2 == pytest.approx(2e9, rel=0.01)


def _no_image(key: object) -> Image.Image:
    raise AssertionError(f"nobody asked for {key}")


def _pixels(image: Image.Image) -> bytes:
    return image.tobytes()
