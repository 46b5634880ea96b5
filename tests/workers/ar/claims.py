"""Claims and engines in a few words."""

from collections.abc import Sequence
from typing import Any

from PIL import Image

from shared.errors import RenderFailed
from shared.ids import Fence, HolderId, JobId, ObjectKey, RenderId, Revision
from shared.jobs.leases import Claim, Lease
from shared.jobs.spec import Priority, RenderSettings
from shared.jobs.states import Stage
from shared.jobs.token_grid import Prior
from tests.fixtures.pictures import photo_like
from workers.ar.engine import ArEngine
from workers.ar.model.loading import ArModel

IMAGES = {ObjectKey("mug"): photo_like(512, 544, 1), ObjectKey("lamp"): photo_like(640, 512, 2)}


def a_claim(
    name: str,
    size: tuple[int, int] = (256, 256),
    seed: int = 1,
    job: str = "",
    priority: Priority = Priority.INTERACTIVE,
    **settings: Any,
) -> Claim:
    asked = RenderSettings(**{"prompt": "a kite", "width_px": size[0], "height_px": size[1], **settings})
    lease = Lease(RenderId(name), Stage.AR, Fence(1), HolderId("h"))
    return Claim(lease, JobId(job or name), 0, asked, seed, Revision("r"), priority=priority)


def an_engine(model: ArModel, num_kv_tokens: int = 20_000, max_sequences: int = 16) -> ArEngine:
    return ArEngine(model, IMAGES.__getitem__, num_kv_tokens=num_kv_tokens, max_sequences=max_sequences)


def images_of(claim: Claim) -> list[Image.Image]:
    return [IMAGES[key] for key in claim.settings.images]


def finish(engine: ArEngine, claims: Sequence[Claim] = ()) -> dict[str, Prior | RenderFailed]:
    """Admits the claims and steps until nothing is left; what became of each render."""
    for claim in claims:
        engine.admit(claim)
    ends: dict[str, Prior | RenderFailed] = {}
    while not engine.is_idle:
        for outcome in engine.step():
            end = outcome.result or outcome.error
            assert isinstance(end, Prior | RenderFailed)
            ends[outcome.claim.render_id] = end
    return ends


def alone(model: ArModel, claim: Claim) -> Prior | RenderFailed:
    return finish(an_engine(model), [claim])[claim.render_id]
