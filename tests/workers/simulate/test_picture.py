"""Simulated pictures: a function of the request, and of nothing else."""

from hypothesis import given
from hypothesis import strategies as st
from PIL import ImageChops

from shared.geometry import GridSize
from shared.jobs.spec import RenderSettings
from shared.jobs.token_grid import Prior, TokenGrid
from workers.simulate.picture import simulated_condition, simulated_grid, simulated_picture

SIDES = st.sampled_from((256, 288, 512))
SEEDS = st.integers(0, 2**53 - 1)


def settings(prompt: str, width_px: int = 256, height_px: int = 256) -> RenderSettings:
    return RenderSettings(prompt=prompt, width_px=width_px, height_px=height_px)


@given(st.text(), SEEDS, SIDES, SIDES)
def test_a_picture_has_the_size_that_was_asked_for(prompt: str, seed: int, width: int, height: int) -> None:
    asked = settings(prompt, width, height)
    grid = simulated_grid(asked, seed)
    assert simulated_picture(Prior(grid), asked, seed).size == (width, height)
    assert simulated_grid(asked, seed) == grid


@given(st.lists(st.tuples(st.text(max_size=3), SEEDS, SIDES), min_size=2, max_size=2, unique=True))
def test_another_request_is_another_picture(requests: list[tuple[str, int, int]]) -> None:
    asked = [(settings(prompt, side), seed) for prompt, seed, side in requests]
    one, other = (simulated_picture(Prior(simulated_grid(each, seed)), each, seed).tobytes() for each, seed in asked)
    assert one != other


@given(st.lists(st.integers(0, 16_383), min_size=2, max_size=2, unique=True))
def test_different_tokens_have_different_colours(tokens: list[int]) -> None:
    grid = TokenGrid(GridSize(1, 2), tuple(tokens))
    colours = simulated_picture(Prior(grid), settings("", 64, 32), seed=0).getcolors()
    assert colours
    assert len(colours) == 2


def test_a_label_tells_prompt_and_seed_below_the_grid() -> None:
    prior = Prior(simulated_grid(settings("a"), 1))
    one, other, third = (
        simulated_picture(prior, settings(prompt), seed) for prompt, seed in (("a", 1), ("a", 2), ("b\n" * 4000, 1))
    )
    for changed in (other, third):
        box = ImageChops.difference(one, changed).getbbox()
        assert box
        assert box[1] >= 128
    assert one.getpixel((1, 254)) == (0, 0, 0)


def test_condition_images_differ_by_their_key() -> None:
    size = GridSize(16, 16)
    assert simulated_condition("inputs/a.png", size) != simulated_condition("inputs/b.png", size)
