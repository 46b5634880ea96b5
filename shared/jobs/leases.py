"""What a worker holds: the lease of a render, all that its stage needs, and what a heartbeat says of it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from shared.ids import Fence, HolderId, JobId, ObjectKey, RenderId, Revision, WorkerId
from shared.jobs.spec import Priority, RenderSettings
from shared.jobs.states import Stage
from shared.jobs.token_grid import Prior
from shared.tracing.origin import Origin, log_ids


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


class Room(StrEnum):
    """Where a worker would put a render.

    `FREE`: it is computed at once. `AHEAD`: it is prepared until what runs ends. `BEYOND`: it pre-empts what runs.
    """

    FREE = "free"
    AHEAD = "ahead"
    BEYOND = "beyond"


_LEAST_ROWS_WITH_SPARE = 4  # of fewer rows, one is too large a part to keep free


def spare_rows(num_rows: int) -> int:
    """Returns how many of an AR worker's rows are kept for the highest class."""
    return int(num_rows >= _LEAST_ROWS_WITH_SPARE)


@dataclass(frozen=True, slots=True)
class Place:
    """What a worker has room for: renders of class `least` and higher ones."""

    room: Room = Room.FREE
    least: Priority = Priority.BATCH


@dataclass(frozen=True, slots=True)
class LostAttempt:
    """An attempt that ended with its worker: how long it lasted until it was taken back, and how long ago that was."""

    worker_id: WorkerId
    lasted_s: float
    ago_s: float


@dataclass(frozen=True, slots=True)
class Handover:
    """Where a drained worker stored the latents of a render, their SHA-256, and the denoise steps behind them."""

    key: ObjectKey
    sha256: str
    num_done: int


@dataclass(frozen=True, slots=True)
class Claim:
    """A leased render and all that its stage needs: `prior` is None for AR, the finished token grid for DiT.

    `handover`: a drained worker has done some of its denoise steps.

    The last four are told in logs and traces: the request behind it, the number of this attempt in its stage (from 1),
    how long the stage's work had waited, and the attempt before this one where it was lost.
    """

    lease: Lease
    job_id: JobId
    index: int
    settings: RenderSettings
    seed: int
    revision: Revision
    prior: Prior | None = None
    priority: Priority = Priority.INTERACTIVE
    partial_images: int = 0
    handover: Handover | None = None
    origin: Origin | None = field(default=None, compare=False)
    attempt: int = field(default=1, compare=False)
    waited_s: float = field(default=0.0, compare=False)
    lost: LostAttempt | None = field(default=None, compare=False)

    @property
    def render_id(self) -> RenderId:
        return self.lease.render_id

    @property
    def num_steps(self) -> int:
        """Steps of the whole stage."""
        settings = self.settings
        return settings.num_decode_steps if self.lease.stage is Stage.AR else settings.num_inference_steps

    @property
    def folder(self) -> str:
        """Where this attempt stores its objects. Keys carry the lease's holder, so no attempt overwrites another's."""
        return f"jobs/{self.job_id}/{self.index:04d}/{self.lease.holder}"

    @property
    def log_ids(self) -> Mapping[str, str | int]:
        """The fields by which log lines about this render are found."""
        return log_ids(self.origin, job_id=self.job_id, render_id=self.render_id)
