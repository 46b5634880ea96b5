"""Claims of a simulated stage in a few words."""

from shared.ids import Fence, HolderId, JobId, RenderId
from shared.jobs.leases import Claim, Lease
from shared.jobs.spec import RenderSettings
from shared.jobs.states import Stage
from workers.model.simulated import REVISION


def a_claim(name: str = "r", prompt: str = "a kite", stage: Stage = Stage.AR) -> Claim:
    settings = RenderSettings(prompt=prompt, width_px=256, height_px=256)
    return Claim(Lease(RenderId(name), stage, Fence(1), HolderId("h")), JobId("j"), 0, settings, 7, REVISION)
