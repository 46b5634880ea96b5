"""What a worker holds: the lease of a render, all that its stage needs, and what a heartbeat says of it."""

from dataclasses import dataclass

from shared.ids import Fence, HolderId, JobId, RenderId, Revision
from shared.job_spec import Priority, RenderSettings
from shared.states import Stage
from shared.token_grid import Prior


@dataclass(frozen=True, slots=True)
class Progress:
    """Steps done of a stage's total: decode steps for AR, denoise steps for DiT."""

    done: int
    total: int


@dataclass(frozen=True, slots=True)
class Lease:
    """The right to write one render. Every write carries it and is refused when it is not the current one."""

    render_id: RenderId
    stage: Stage
    fence: Fence
    holder: HolderId


@dataclass(frozen=True, slots=True)
class Held:
    """What a heartbeat reports of one render. `in_step`: a member of the running step, a suspect if that kills."""

    lease: Lease
    progress: Progress
    in_step: bool


@dataclass(frozen=True, slots=True)
class Claim:
    """A leased render and all that its stage needs: `prior` is None for AR, the finished token grid for DiT."""

    lease: Lease
    job_id: JobId
    index: int
    settings: RenderSettings
    seed: int
    revision: Revision
    prior: Prior | None = None
    priority: Priority = Priority.INTERACTIVE
    partial_images: int = 0

    @property
    def render_id(self) -> RenderId:
        return self.lease.render_id
