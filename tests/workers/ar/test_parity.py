"""Token grids equal those of the unchanged reference for the same seed, all rendered in one mixed batch. For that the
engine takes its random numbers from torch's generators.
"""

import pytest

from tests.fixtures.reference import Reference
from tests.workers.ar.claims import a_claim, finish, images_of
from tests.workers.ar.torch_noise import an_engine_with_torch_noise
from workers.ar.model.loading import ArModel

CLAIMS = [
    a_claim("plain", (256, 256), seed=1),
    a_claim("quoted", (512, 512), seed=2, prompt='a poster that says "SALE" and “今天” and 「夏祭り」'),
    a_claim("tall", (256, 384), seed=3, prompt="a lighthouse, 'KEEP OUT' on its door"),
    a_claim("wide", (512, 256), seed=2**53 - 1, prompt="a river delta from above"),
    a_claim("own sampling", (256, 256), seed=5, images=("mug",), temperature=1.3, top_p=0.95),
    a_claim("edit", (288, 320), seed=6, prompt="put it on grass", images=("mug",)),
    a_claim("edit with two", (256, 320), seed=7, prompt='the lamp beside the mug, "9:41"', images=("lamp", "mug")),
]


@pytest.fixture(scope="module")
def ends(ar_model: ArModel) -> dict[str, object]:
    return dict(finish(an_engine_with_torch_noise(ar_model), CLAIMS))


@pytest.mark.parametrize("claim", CLAIMS, ids=lambda claim: claim.render_id)
def test_the_prior_equals_the_references(
    claim: object, ends: dict[str, object], glm_reference: Reference, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert isinstance(claim, type(CLAIMS[0]))
    config = glm_reference.pipeline.vision_language_encoder.generation_config
    for name in ("temperature", "top_p"):
        if asked := getattr(claim.settings, name):
            monkeypatch.setattr(config, name, asked)
    assert ends[claim.render_id] == glm_reference.prior_of_torch(claim.settings, claim.seed, images_of(claim))
