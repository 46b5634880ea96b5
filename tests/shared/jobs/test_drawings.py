"""The decision after a drawing was read: the property tests play whole checks."""

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from shared.ids import ObjectKey
from shared.jobs.drawings import Drawing, Drawings, Keep, Redraw, decide, seed_of_redraw
from shared.jobs.job import Picture
from shared.jobs.spec import SEED_LIMIT, JobSpec, Quality
from shared.jobs.text_check import Reading, TextCheck
from shared.jobs.usage import Amounts, Used
from tests.shared.store.builders import a_spec

READ = st.one_of(st.just(0.0), st.floats(0.01, 1.0), st.none())
ONE = Amounts(pictures=1, pixels=65536, denoise_steps=20, ar_tokens=80, ar_device_ms=5, dit_device_ms=7, stored_bytes=9)


def a_spec_with(redraws: int, n: int = 1, seed: int = 7) -> JobSpec:
    return a_spec(n, seed, text_check=TextCheck(redraws=redraws))


def a_drawing(number: int, seed: int, distance: float | None) -> Drawing:
    folder = f"jobs/j/0000/{number}"
    picture = Picture(
        ObjectKey(f"{folder}/image.png"), ObjectKey(f"{folder}/manifest.json"), "0", 100 + number, "image/png"
    )
    reading = None if distance is None else Reading(text="t", is_match=distance == 0, edit_distance=distance)
    return Drawing(picture=picture, seed=seed, reading=reading)


def played(distances: list[float | None], redraws: int) -> tuple[Keep, list[Drawing], list[Picture]]:
    """A whole check, whose drawings have these distances (None: the text was not read)."""
    spec, drawings, drawn, gone = a_spec_with(redraws), Drawings(), list[Drawing](), list[Picture]()
    seed = spec.seed_of(0)
    while True:
        distance = distances[len(drawn)]
        drawn.append(a_drawing(len(drawn), seed, distance))
        error = {"code": "text_not_read", "message": "m"} if distance is None else None
        used = Used("key", Quality.EXACT, replace(ONE, stored_bytes=drawn[-1].picture.num_bytes))
        decision = decide(spec, 0, Drawings.parse(drawings.as_text()), drawn[-1], used=used, error=error)
        gone += [decision.discarded] if decision.discarded else []
        if isinstance(decision, Keep):
            return decision, drawn, gone
        drawings, seed = decision.drawings, decision.seed


@given(st.lists(READ, min_size=11, max_size=11), st.integers(0, 10))
def test_the_best_drawing_is_kept_and_all_work_is_counted(distances: list[float | None], redraws: int) -> None:
    kept, drawn, gone = played(distances, redraws)
    assert kept.result.num_redraws == len(drawn) - 1 <= redraws
    assert sorted([kept.drawing.picture.key, *(each.key for each in gone)]) == [each.picture.key for each in drawn]
    read = [each.reading.edit_distance for each in drawn if each.reading]
    if read:
        assert kept.drawing.reading
        assert kept.drawing.reading.edit_distance == min(read)
        assert kept.drawing == next(each for each in drawn if each.reading and each.reading.edit_distance == min(read))
    assert [each.seed for each in drawn] == [7 + number for number in range(len(drawn))]
    has_ended = 0.0 in read or None in [each.reading for each in drawn] or len(drawn) == redraws + 1
    assert has_ended
    assert kept.used
    amounts, num = kept.used.amounts, len(drawn)
    assert (amounts.pictures, amounts.stored_bytes) == (1, kept.drawing.picture.num_bytes)
    assert (amounts.denoise_steps, amounts.ar_tokens, amounts.dit_device_ms) == (20 * num, 80 * num, 7 * num)


def test_without_a_redraw_the_usage_is_that_of_the_picture() -> None:
    kept, [drawing], _ = played([0.0], 3)
    assert kept.used == Used("key", Quality.EXACT, replace(ONE, stored_bytes=drawing.picture.num_bytes))


@given(st.integers(1, 4), st.integers(0, SEED_LIMIT - 1))
def test_no_two_drawings_of_a_job_have_the_same_seed(n: int, seed: int) -> None:
    spec = a_spec_with(3, n, seed)
    seeds = [seed_of_redraw(spec, index, number) for number in range(4) for index in range(n)]
    assert len(set(seeds)) == len(seeds)
    assert seeds[:n] == [spec.seed_of(index) for index in range(n)]


def test_a_redraw_keeps_the_first_of_two_equal_drawings() -> None:
    spec = a_spec_with(3)
    first, second = a_drawing(0, 7, 0.5), a_drawing(1, 8, 0.5)
    again = decide(spec, 0, Drawings(), first, used=None)
    assert isinstance(again, Redraw)
    assert again.discarded is None
    more = decide(spec, 0, again.drawings, second, used=None)
    assert isinstance(more, Redraw)
    assert (more.drawings.best, more.discarded, more.seed) == (first, second.picture, 9)
