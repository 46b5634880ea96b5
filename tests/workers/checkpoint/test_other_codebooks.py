"""Both stages equal the reference over checkpoints with another codebook: a random one and the trained one."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
import torch
from PIL import Image

from shared.errors import RenderFailed
from shared.jobs.leases import Claim
from shared.jobs.token_grid import Prior, TokenGrid
from tests.fixtures.reference import Reference
from tests.workers.ar.claims import a_claim, an_engine, finish, images_of
from tests.workers.dit.rendering import largest_difference, reference_render, render
from workers.ar.model.loading import ArModel, load_ar_model
from workers.checkpoint.shipped import demo_weights
from workers.dit.model.loading import load_dit_model
from workers.dit.model.runner import DitRunner

NUM_CODES = {"small codebook": 1_024, "demo": 2_048}
CPU = torch.device("cpu")
STEPS = {"num_inference_steps": 2}
CLAIMS = [
    a_claim("text", (384, 256), seed=1, prompt='a red star on a blue background with the word "SALE"', **STEPS),
    a_claim("edit", (512, 544), seed=2, prompt="make the background green", images=("mug",), **STEPS),
]


@dataclass(frozen=True)
class Sides:
    """One checkpoint, loaded by the reference and by us, and what our AR engine makes of the claims."""

    reference: Reference
    ar: ArModel
    runner: DitRunner
    ends: dict[str, Prior | RenderFailed]
    num_codes: int

    def prior(self, claim: Claim) -> Prior:
        prior = self.ends[claim.render_id]
        assert isinstance(prior, Prior)
        return prior


@pytest.fixture(scope="module", params=["small codebook", *(["demo"] if demo_weights() else [])])
def sides(request: pytest.FixtureRequest, small_codebook: Path) -> Sides:
    folder = str(small_codebook if request.param == "small codebook" else demo_weights())
    ar = load_ar_model(folder, CPU, torch.float32)
    runner = DitRunner(load_dit_model(folder, CPU, torch.float32))
    return Sides(Reference(Path(folder)), ar, runner, finish(an_engine(ar), CLAIMS), NUM_CODES[request.param])


def test_the_codebooks_size_is_the_checkpoints(sides: Sides) -> None:
    assert sides.ar.sampling.num_codes == sides.num_codes
    for claim in CLAIMS:
        grids = (sides.prior(claim).grid, *sides.prior(claim).condition_grids)
        assert max(max(grid.tokens) for grid in grids) < sides.num_codes


@pytest.mark.parametrize("claim", CLAIMS, ids=lambda claim: claim.render_id)
def test_the_prior_equals_the_references(sides: Sides, claim: Claim) -> None:
    assert sides.prior(claim) == sides.reference.prior(claim.settings, claim.seed, images_of(claim))


@pytest.mark.parametrize("claim", CLAIMS, ids=lambda claim: claim.render_id)
def test_the_picture_equals_the_references(sides: Sides, claim: Claim) -> None:
    claim = replace(claim, prior=sides.prior(claim))
    images: Sequence[Image.Image] = images_of(claim)
    expected = reference_render(sides.reference.pipeline, claim, images)
    assert largest_difference(render(sides.runner, claim, images), expected) <= 1


@pytest.mark.parametrize("where", ["grid", "condition grid"])
def test_a_code_that_the_codebook_lacks_is_refused_by_name(sides: Sides, where: str) -> None:
    claim = CLAIMS[1]
    prior = sides.prior(claim)
    grid = prior.grid if where == "grid" else prior.condition_grids[0]
    foreign = TokenGrid(grid.size, (*grid.tokens[1:], sides.num_codes))
    spoiled = replace(prior, grid=foreign) if where == "grid" else replace(prior, condition_grids=(foreign,))
    why = f"code {sides.num_codes}, the codebook only 0 to {sides.num_codes - 1}"
    with pytest.raises(RenderFailed, match=why) as refused:
        sides.runner.checked_prior(replace(claim, prior=spoiled))
    assert refused.value.reason == "bad_prior"
