"""Which rows share a forward pass, and that this changes no picture."""

from collections.abc import Sequence

import pytest
from PIL import Image

from shared.jobs.spec import Quality
from tests.fixtures.pictures import photo_like
from tests.workers.dit.claims import make_claim
from tests.workers.dit.rendering import largest_difference, render
from workers.dit.model.loading import DitModel
from workers.dit.model.runner import DitRunner

PHOTO = photo_like(512, 512, seed=3)


CASES = [
    (make_claim("none", seed=1), []),
    (make_claim("short", seed=2, prompt='"ab"'), []),
    (make_claim("longer", seed=4, prompt='"a longer text"', guidance=1.0), []),
    (make_claim("edit", seed=5, images=[PHOTO]), [PHOTO]),
    (make_claim("balanced", seed=7, steps=5, quality=Quality.BALANCED), []),
]


@pytest.fixture(scope="module")
def alone(dit_model: DitModel) -> Sequence[Image.Image]:
    return [render(DitRunner(dit_model), claim, images) for claim, images in CASES]


@pytest.mark.parametrize(
    ("case", "limit_px", "expected"),
    [
        ("none", 256 * 256, [2, 2]),
        ("none", 256 * 256 - 1, [1, 1, 1, 1]),
        ("short", 512 * 512, [1, 1, 1, 1]),
        ("edit", 512 * 512, [1, 1, 1, 1]),
        ("longer", 512 * 512, [1, 1]),
        ("balanced", 512 * 512, [2, 2, 2, 1, 1]),
    ],
)
def test_the_branches_of_a_small_picture_share_a_pass_where_they_fit(
    dit_model: DitModel, alone: Sequence[Image.Image], passes: list[int], case: str, limit_px: int, expected: list[int]
) -> None:
    """`short` quotes a text, `edit` has an image, and `longer` has no guidance."""
    (claim, images), picture = next((each, alone[k]) for k, each in enumerate(CASES) if each[0].render_id == case)
    state = (runner := DitRunner(dit_model, guidance_batch_px=limit_px)).start(claim, images)
    passes.clear()  # without those of condition images
    while not state.is_done:
        runner.denoise_step(state)
    assert passes == expected
    assert largest_difference(runner.decode(state), picture) <= 1
