"""Claims and priors for the DiT's tests: made of seeds, without the AR stage."""

from collections.abc import Sequence

import numpy as np
from PIL import Image

from shared.geometry import CODEBOOK_SIZE, GridSize, condition_grid, large_grid
from shared.ids import Fence, HolderId, JobId, ObjectKey, RenderId, Revision
from shared.jobs.leases import Claim, Lease
from shared.jobs.spec import Quality, RenderSettings
from shared.jobs.states import Stage
from shared.jobs.token_grid import Prior, TokenGrid


def random_grid(size: GridSize, seed: int) -> TokenGrid:
    tokens = np.random.default_rng(seed).integers(0, CODEBOOK_SIZE, size.num_tokens)
    return TokenGrid(size, tuple(tokens.tolist()))


def make_claim(
    name: str = "render",
    *,
    width: int = 256,
    height: int = 256,
    steps: int = 2,
    guidance: float = 1.5,
    prompt: str = "a quiet harbour at dawn",
    seed: int = 11,
    quality: Quality = Quality.EXACT,
    images: Sequence[Image.Image] = (),
) -> Claim:
    """A claim of the DiT stage whose prior was drawn from `seed`; image k has the key `name/k`."""
    settings = RenderSettings(
        prompt=prompt,
        width_px=width,
        height_px=height,
        num_inference_steps=steps,
        guidance_scale=guidance,
        quality=quality,
        images=tuple(ObjectKey(f"{name}/{k}") for k in range(len(images))),
    )
    conditions = tuple(random_grid(condition_grid(*image.size), seed + k) for k, image in enumerate(images, start=1))
    return Claim(
        lease=Lease(RenderId(name), Stage.DIT, Fence(1), HolderId("holder")),
        job_id=JobId("job"),
        index=0,
        settings=settings,
        seed=seed,
        revision=Revision("test"),
        prior=Prior(random_grid(large_grid(width, height), seed), conditions),
    )
