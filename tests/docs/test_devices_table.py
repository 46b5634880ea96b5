"""The memory tables of the page say what the code plans with, and nothing is planned that a card can't hold."""

import pytest

from cli.stack.gpus.needs import DIT_WORK
from tests.docs.devices_table import _DIT_WIDTH, _VAE_CHANNELS, CARDS, FILE, _cards, page
from workers.dit.byte_counts import step_bytes, tiled_decode_bytes


def test_the_page_is_what_the_code_says() -> None:
    assert FILE.read_text() == page(), "run `make docs`"


@pytest.mark.parametrize(("card", "most"), [(card, float(most)) for card, _, most in _cards()])
def test_each_card_holds_what_it_is_planned_for(card: str, most: float) -> None:
    assert most * 1e9 <= CARDS[card]


@pytest.mark.parametrize("side", [512, 1024, 1536, 2048])
def test_the_planned_work_of_a_dit_worker_holds_every_size(side: int) -> None:
    """In bfloat16 with the full-size model: a denoise step, and a decode in tiles."""
    step = step_bytes(side * side // 256, _DIT_WIDTH, 2)
    assert max(step, tiled_decode_bytes(side, side, _VAE_CHANNELS, 2)) <= DIT_WORK
