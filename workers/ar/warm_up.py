"""Begins two pictures from text at start-up. So kernels are loaded and memory is reserved before the first real one.

Condition images of edits are not part of it.
"""

import time

import structlog

from shared.ids import Fence, HolderId, JobId, RenderId, Revision
from shared.jobs.leases import Claim, Lease
from shared.jobs.spec import RenderSettings
from shared.jobs.states import Stage
from workers.ar.engine import ArEngine

log = structlog.get_logger()

_SIDE_PX = 256  # the smallest picture; prefill and steps of larger ones run the same kernels
_NUM_STEPS = 2
_NUM_WORDS = (4, 600)  # the second prompt fills whole chunks of a prefill


def warm_up(engine: ArEngine) -> None:
    """Prefills a short and a long prompt, and decodes a few tokens of each. The engine is idle again afterwards.

    Raises the error of a picture that fails, because then all later ones would fail, too.
    """
    began_s = time.monotonic()
    for num_words in _NUM_WORDS:
        claim = _claim(" ".join(["word"] * num_words))
        engine.admit(claim)
        while not engine.is_idle and engine.progress()[claim.render_id].done < _NUM_STEPS:
            for outcome in engine.step():
                if outcome.error:
                    raise outcome.error
        engine.drop(claim.render_id)
    log.info("ar.warmed_up", wall_s=round(time.monotonic() - began_s, 1))


def _claim(prompt: str) -> Claim:
    """Returns a claim that is only for the warm-up and exists in no store."""
    return Claim(
        lease=Lease(RenderId("warm-up"), Stage.AR, Fence(0), HolderId("warm-up")),
        job_id=JobId("warm-up"),
        index=0,
        settings=RenderSettings(prompt=prompt, width_px=_SIDE_PX, height_px=_SIDE_PX),
        seed=0,
        revision=Revision("warm-up"),
    )
