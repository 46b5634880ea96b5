"""The small checkpoint is not blind: everything that should change a picture does, and visibly."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from shared.errors import Misconfigured
from shared.jobs.spec import RenderSettings
from tests.fixtures.pictures import photo_like
from tests.fixtures.reference import Reference
from workers.checkpoint.tiny import build

VISIBLE = 8  # of 255; threads, batch and compiling move single values by 1
SIZE = 256
MUG, LAMP = photo_like(512, 512, 1), photo_like(512, 512, 2)

Paint = Callable[..., Image.Image]


@pytest.fixture(scope="module")
def prior(glm_reference: Reference) -> torch.Tensor:
    return ids_of(glm_reference, 'a sign that says "OPEN"', None)[0]


def ids_of(reference: Reference, prompt: str, image: Image.Image | None) -> tuple[torch.Tensor, Any, Any]:
    generator = torch.Generator().manual_seed(0)
    images = [[image]] if image else None
    ids: tuple[torch.Tensor, Any, Any] = reference.pipeline.generate_prior_tokens(
        prompt, SIZE, SIZE, image=images, generator=generator
    )
    return ids


@pytest.fixture(scope="module")
def paint(glm_reference: Reference, prior: torch.Tensor) -> Paint:
    def painted(prompt: str = 'a sign that says "OPEN"', ids: torch.Tensor = prior, **conditions: Any) -> Image.Image:
        picture: Image.Image = glm_reference.pipeline(
            prompt=prompt,
            prior_token_ids=ids,
            height=SIZE,
            width=SIZE,
            num_inference_steps=4,
            generator=torch.Generator().manual_seed(0),
            **conditions,
        ).images[0]
        return picture

    return painted


def difference(one: Image.Image, other: Image.Image) -> int:
    return int(np.abs(np.asarray(one, dtype=int) - np.asarray(other, dtype=int)).max())


@pytest.mark.parametrize("prompt", ["a sign that says OPEN", 'a sign that says "SHUT"'], ids=["none", "another"])
def test_quoted_text_is_seen(paint: Paint, prompt: str) -> None:
    assert difference(paint(), paint(prompt)) >= VISIBLE


def test_one_row_of_the_prior_grid_is_seen(paint: Paint, prior: torch.Tensor) -> None:
    other = prior.clone().view(SIZE // 16, SIZE // 16)
    other[:2] = (other[:2] + 4_321) % 16_384  # one row of the 1/32 grid is two of the doubled one
    assert difference(paint(), paint(ids=other.view(1, -1))) >= VISIBLE


def test_condition_pictures_and_their_vq_ids_are_seen(
    paint: Paint, glm_reference: Reference, prior: torch.Tensor
) -> None:
    _, mug_ids, sizes = ids_of(glm_reference, "on grass", MUG)
    _, lamp_ids, _ = ids_of(glm_reference, "on grass", LAMP)

    def edited(image: Image.Image, ids: list[torch.Tensor]) -> Image.Image:
        return paint("on grass", image=[image], prior_token_image_ids=ids, source_image_grid_thw=sizes)

    mug = edited(MUG, mug_ids)
    assert difference(mug, edited(LAMP, mug_ids)) >= VISIBLE
    assert difference(mug, edited(MUG, lamp_ids)) >= VISIBLE


def test_another_prompt_changes_most_tokens(glm_reference: Reference) -> None:
    """Not all: the noise of a step depends on seed and step alone, so it is that of the other prompt."""
    settings = RenderSettings(prompt="a red kite over the sea", width_px=SIZE, height_px=SIZE)
    kite = np.array(glm_reference.prior(settings, 0).grid.tokens)
    bread = np.array(glm_reference.prior(settings.model_copy(update={"prompt": "rye bread"}), 0).grid.tokens)
    assert (kite != bread).mean() > 0.75


def test_a_seed_decides_the_weights(tiny_checkpoint: Path, tmp_path: Path) -> None:
    build(tmp_path / "same", seed=0)
    build(tmp_path / "other", seed=1)
    for name in ("vision_language_encoder", "transformer", "vae", "text_encoder"):
        [weights] = (tiny_checkpoint / name).glob("*.safetensors")
        inside = weights.relative_to(tiny_checkpoint)
        assert weights.read_bytes() == (tmp_path / "same" / inside).read_bytes()
        assert weights.read_bytes() != (tmp_path / "other" / inside).read_bytes()


def test_a_folder_that_holds_something_else_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "letters.txt").write_text("dear")
    with pytest.raises(Misconfigured, match="choose another folder"):
        build(tmp_path)
    assert (tmp_path / "letters.txt").read_text() == "dear"


def test_nothing_is_left_behind_when_building_fails(tmp_path: Path) -> None:
    def refuse(part: str) -> None:
        raise RuntimeError(part)

    with pytest.raises(RuntimeError):
        build(tmp_path / "half", on_part=refuse)
    assert list(tmp_path.iterdir()) == []
