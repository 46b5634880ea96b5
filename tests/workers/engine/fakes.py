"""A stage without a model: every render needs a number of steps that the test decides."""

import queue
import threading
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

from shared.errors import RenderFailed
from shared.ids import Fence, HolderId, JobId, RenderId, Revision
from shared.jobs.leases import Claim, Lease, Progress
from shared.jobs.spec import RenderSettings
from shared.jobs.states import Stage
from workers.engine.stepper import Outcome, Unfinished

REFUSED = "refused"
BROKEN = "broken"
LOST = "lost"
CRASHES_IN_ADMISSION = "crashes in admission"


class DeviceLost(Exception):
    """What a device says that has gone for good."""


def a_claim(name: str, fence: int = 1) -> Claim:
    settings = RenderSettings(prompt=name, width_px=256, height_px=256)
    lease = Lease(RenderId(name), Stage.AR, Fence(fence), HolderId("h"))
    return Claim(lease, JobId(name), 0, settings, 1, Revision("r"))


@dataclass
class FakeStepper:
    """Finishes a render after `num_steps` steps. `may_step` holds every step until the test allows it.

    `entered` has the members of every step that began. With `only`, that render alone is in the steps.
    """

    num_steps: int = 1
    may_step: threading.Event = field(default_factory=threading.Event)
    is_waiting: bool = False
    only: str | None = None
    entered: queue.SimpleQueue[Collection[RenderId]] = field(default_factory=queue.SimpleQueue)
    dropped: list[RenderId] = field(default_factory=list)
    _running: dict[RenderId, tuple[Claim, int]] = field(default_factory=dict)

    def admit(self, claim: Claim) -> None:
        if claim.settings.prompt == REFUSED:
            raise RenderFailed("too_large", "can never fit")
        if claim.settings.prompt == CRASHES_IN_ADMISSION:
            raise ZeroDivisionError
        self._running[claim.render_id] = (claim, 0)

    def in_step(self) -> Collection[RenderId]:
        return tuple(name for name in self._running if self.only in (None, name))

    def step(self) -> Sequence[Outcome[str]]:
        self.entered.put(self.in_step())
        self.may_step.wait()
        if self.is_waiting:
            return ()
        if any(claim.settings.prompt == LOST for claim, _ in self._running.values()):
            raise DeviceLost
        if any(claim.settings.prompt == BROKEN for claim, _ in self._running.values()):
            raise RuntimeError("the device fell over")
        members = self.in_step()
        self._running = {rid: (claim, done + (rid in members)) for rid, (claim, done) in self._running.items()}
        finished = [claim for claim, done in self._running.values() if done >= self.num_steps]
        for claim in finished:
            del self._running[claim.render_id]
        return [Outcome(claim, result=claim.settings.prompt) for claim in finished]

    def drop(self, render_id: RenderId) -> None:
        self.dropped.append(render_id)
        self._running.pop(render_id, None)

    def unfinished(self, render_id: RenderId) -> Unfinished | None:
        claim, done = self._running.get(render_id, (None, 0))
        return Unfinished(done, render_id.encode()) if claim and done else None

    def progress(self) -> Mapping[RenderId, Progress]:
        return {rid: Progress(done, self.num_steps) for rid, (_, done) in self._running.items()}

    @property
    def is_idle(self) -> bool:
        return not self._running
