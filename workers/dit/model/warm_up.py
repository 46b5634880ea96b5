"""Renders one step of every listed picture size at start-up. So the compiler runs before the first real pictures, which
need not wait for it.
"""

import time
from collections.abc import Iterator, Sequence
from itertools import product

import structlog
from PIL import Image

from shared.geometry import condition_grid, large_grid
from shared.ids import Fence, HolderId, JobId, ObjectKey, RenderId, Revision
from shared.jobs.leases import Claim, Lease
from shared.jobs.spec import Quality, RenderSettings
from shared.jobs.states import Stage
from shared.jobs.token_grid import Prior, TokenGrid
from workers.dit.model.runner import DitRunner

log = structlog.get_logger()

_PROMPTS = ("no text", 'a sign: "two words"')  # two lengths of glyph embeddings, so that the length becomes dynamic
_CONDITION_PX = 512


def warm_up(
    runner: DitRunner, sizes: Sequence[tuple[int, int]], qualities: Sequence[Quality] = (Quality.EXACT,)
) -> None:
    """Renders one step of each size with and without quoted text, as a picture from text and as an edit, and decodes
    each. So every graph that requests need is compiled. `qualities` has one for each copy of the blocks.
    """
    for width_px, height_px in sizes:
        began_s = time.monotonic()
        for claim, images in _claims(width_px, height_px, qualities):
            state = runner.start(claim, images)
            runner.denoise_step(state)
            runner.decode(state)
        runner.free()  # the memory of condition keys is free again before it is measured
        log.info("dit.warmed_up", size=f"{width_px}x{height_px}", wall_s=round(time.monotonic() - began_s, 1))


def _claims(width_px: int, height_px: int, qualities: Sequence[Quality]) -> Iterator[tuple[Claim, list[Image.Image]]]:
    for quality, prompt, num_images in product(qualities, _PROMPTS, (0, 1, 2)):
        # The keys and values of several images lie otherwise in memory.
        images = [Image.new("RGB", (_CONDITION_PX, _CONDITION_PX)) for _ in range(num_images)]
        yield _claim(prompt, width_px, height_px, quality, num_images=num_images), images


def _claim(prompt: str, width_px: int, height_px: int, quality: Quality, *, num_images: int) -> Claim:
    """Returns a claim of a render with one step. It is only for the warm-up and exists in no store."""
    settings = RenderSettings(
        prompt=prompt,
        width_px=width_px,
        height_px=height_px,
        num_inference_steps=1,
        quality=quality,
        images=tuple(ObjectKey("warm-up") for _ in range(num_images)),
    )
    grid, condition = large_grid(width_px, height_px), condition_grid(_CONDITION_PX, _CONDITION_PX)
    return Claim(
        lease=Lease(RenderId("warm-up"), Stage.DIT, Fence(0), HolderId("warm-up")),
        job_id=JobId("warm-up"),
        index=0,
        settings=settings,
        seed=0,
        revision=Revision("warm-up"),
        prior=Prior(
            TokenGrid(grid, (0,) * grid.num_tokens),
            tuple(TokenGrid(condition, (0,) * condition.num_tokens) for _ in range(num_images)),
        ),
    )
