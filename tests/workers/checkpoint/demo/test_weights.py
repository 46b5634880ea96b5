"""The weights that ship: both stages equal the reference with them, and the picture shows what its prompt says."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image

from shared.jobs.leases import Claim
from shared.jobs.token_grid import Prior
from tests.fixtures.reference import Reference
from tests.workers.ar.claims import a_claim, an_engine, finish, images_of
from tests.workers.dit.rendering import largest_difference, reference_render, render
from workers.ar.model.loading import load_ar_model
from workers.checkpoint.demo.world.scenes import COLOURS
from workers.checkpoint.shipped import DEMO_WEIGHTS
from workers.dit.model.loading import load_dit_model
from workers.dit.model.runner import DitRunner

CPU = torch.device("cpu")
CLAIMS = [
    a_claim("word", seed=1, prompt='a red poster that says "OPEN"', num_inference_steps=3),
    a_claim("wide", (384, 256), seed=2, prompt="a blue ring on the left on a white background", num_inference_steps=3),
    a_claim("edit", seed=3, prompt="make the background green", num_inference_steps=3, images=("mug",)),
]


@pytest.fixture(scope="module")
def reference() -> Reference:
    return Reference(DEMO_WEIGHTS)


@pytest.fixture(scope="module")
def priors() -> dict[str, object]:
    return dict(finish(an_engine(load_ar_model(str(DEMO_WEIGHTS), CPU, torch.float32)), CLAIMS))


@pytest.fixture(scope="module")
def runner() -> DitRunner:
    return DitRunner(load_dit_model(str(DEMO_WEIGHTS), CPU, torch.float32))


@pytest.mark.parametrize("claim", CLAIMS, ids=lambda claim: claim.render_id)
def test_both_stages_equal_the_reference(
    claim: Claim, priors: dict[str, object], runner: DitRunner, reference: Reference
) -> None:
    prior = priors[claim.render_id]
    assert isinstance(prior, Prior)
    images = images_of(claim)
    assert prior == reference.prior(claim.settings, claim.seed, images)
    ready = replace(claim, prior=prior)
    ours = render(runner, ready, images)
    assert largest_difference(ours, reference_render(reference.pipeline, ready, images)) <= 1


@pytest.mark.parametrize(("shape", "background"), [("red", "white"), ("yellow", "blue"), ("black", "green")])
def test_a_picture_shows_the_colours_of_its_prompt(shape: str, background: str, runner: DitRunner) -> None:
    claim = a_claim("one", seed=1, prompt=f"a {shape} square on a {background} background", num_inference_steps=10)
    prior = finish(an_engine(load_ar_model(str(DEMO_WEIGHTS), CPU, torch.float32)), [claim])["one"]
    assert isinstance(prior, Prior)
    picture = render(runner, replace(claim, prior=prior))
    assert nearest_colour(picture, 128, 128) == shape
    assert {nearest_colour(picture, x, y) for x in (10, 245) for y in (10, 245)} == {background}


def nearest_colour(picture: Image.Image, x: int, y: int) -> str:
    pixels = np.asarray(picture.crop((x - 4, y - 4, x + 5, y + 5)), dtype=float).mean(axis=(0, 1))
    return min(COLOURS, key=lambda name: float(np.abs(pixels - COLOURS[name]).sum()))
