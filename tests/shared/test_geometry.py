from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.errors import InvalidRequest
from shared.geometry import (
    MAX_AREA_PX,
    MAX_SIDE_PX,
    MAX_SIDE_RATIO,
    MIN_SIDE_PX,
    GridSize,
    check_size,
    condition_grid,
    condition_size,
    large_grid,
    num_decode_steps,
    parse_size,
    sides_agree,
    small_grid,
)

PATCH_PX = 16

sides = st.integers(1, 5000)
allowed_sides = st.integers(MIN_SIDE_PX // 32, MAX_SIDE_PX // 32).map(lambda patches: patches * 32)


@pytest.fixture(scope="module")
def smart_resize() -> Any:
    from transformers.models.glm_image import image_processing_pil_glm_image as reference  # noqa: PLC0415 - slow

    return reference.smart_resize


def is_allowed(width: int, height: int) -> bool:
    try:
        check_size(width, height)
    except InvalidRequest:
        return False
    return True


@given(sides, sides)
def test_the_condition_grid_is_the_references(smart_resize: Any, width: int, height: int) -> None:
    try:
        expected = [side // PATCH_PX for side in smart_resize(height, width)]
    except ValueError:
        with pytest.raises(ValueError, match="no condition grid"):
            condition_grid(width, height)
    else:
        grid = condition_grid(width, height)
        assert [grid.rows, grid.cols] == expected


@pytest.mark.parametrize("size", [(512, 544), (640, 512), (544, 768), (1024, 1056), (520, 520)])
def test_sizes_on_which_the_reference_works_agree(size: tuple[int, int]) -> None:
    assert sides_agree(*size)
    assert condition_size(*size) == size


@pytest.mark.parametrize("size", [(517, 389), (300, 200), (528, 528), (2048, 600), (2100, 600)])
def test_sizes_on_which_the_reference_fails_do_not_agree(size: tuple[int, int]) -> None:
    assert not sides_agree(*size)


@given(sides, sides)
def test_a_condition_size_agrees_and_is_its_own(width: int, height: int) -> None:
    least = -(-max(width, height) // MAX_SIDE_RATIO)  # the caller pads longer ones
    size = condition_size(max(width, least), max(height, least))
    assert sides_agree(*size)
    assert condition_size(*size) == size


@given(sides, sides)
def test_turning_a_picture_turns_its_condition_size(width: int, height: int) -> None:
    assert condition_size(height, width) == condition_size(width, height)[::-1]


@given(sides, sides)
def test_a_size_is_allowed_exactly_when_the_model_can_render_it(width: int, height: int) -> None:
    short, long = sorted((width, height))
    expected = (
        width % 32 == height % 32 == 0
        and short >= MIN_SIDE_PX
        and long <= MAX_SIDE_PX
        and long <= MAX_SIDE_RATIO * short
        and width * height <= MAX_AREA_PX
    )
    assert is_allowed(width, height) == expected


@given(allowed_sides, allowed_sides)
def test_the_grids_of_an_allowed_size_cover_it(width: int, height: int) -> None:
    assert large_grid(width, height) == GridSize(height // 32, width // 32)
    small = small_grid(width, height)
    if is_allowed(width, height):
        assert 1 <= small.rows * small.cols <= 256
        assert num_decode_steps(width, height, is_edit=True) == large_grid(width, height).num_tokens + 1


def test_a_square_megapixel_takes_the_steps_that_the_model_card_implies() -> None:
    assert small_grid(1024, 1024) == GridSize(16, 16)
    assert num_decode_steps(1024, 1024, is_edit=False) == 16 * 16 + 32 * 32 + 1


def test_a_refused_side_comes_with_the_sides_that_would_work() -> None:
    with pytest.raises(InvalidRequest, match="try 992 or 1024") as caught:
        check_size(1000, 1024)
    assert caught.value.field == "width"


@pytest.mark.parametrize("text", ["640x512", "640X512", "640*512", "640×512", " 640 x 512\n", "640\u3000×512"])
def test_a_size_is_read_in_every_spelling(text: str) -> None:
    assert parse_size(text) == (640, 512)


@pytest.mark.parametrize("text", ["", "640", "640x", "x512", "640xx512", "640 512", "0x512", "-640x512", "6e2x512"])
def test_text_that_is_no_size_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="such as 1152x1024"):
        parse_size(text)
