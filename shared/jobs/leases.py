"""Defines leases and claims of renders by workers, and the progress that heartbeats report. A claim contains a lease
and all data that the render's stage needs.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from shared.ids import DEFAULT_TENANT, Fence, HolderId, JobId, ObjectKey, RenderId, Revision, TenantId, WorkerId
from shared.jobs.spec import Priority, RenderSettings
from shared.jobs.states import Stage
from shared.jobs.token_grid import Prior
from shared.tracing.origin import Origin, log_ids


@dataclass(frozen=True, slots=True)
class Progress:
    """The number of finished steps of a stage and the total: decode steps for AR, denoise steps for DiT."""

    done: int
    total: int


@dataclass(frozen=True, slots=True)
class Lease:
    """The right of a worker to write one render. Every write carries its lease, and the store refuses a write whose
    lease is not the current one.
    """

    render_id: RenderId
    stage: Stage
    fence: Fence
    holder: HolderId


@dataclass(frozen=True, slots=True)
class RenderReport:
    """The part of a heartbeat about one render that the worker holds.

    `in_step` says that the render is in the worker's running step. If the worker dies during this step, the render is a
    suspect: it may have caused the crash.
    """

    lease: Lease
    progress: Progress
    in_step: bool


class Room(StrEnum):
    """The way in which a worker would run a render that it claims now.

    - `FREE`: the render starts at once.
    - `AHEAD`: the worker prepares the render now, and starts it when its running render ends.
    - `BEYOND`: the render pre-empts the worker's running render.
    """

    FREE = "free"
    AHEAD = "ahead"
    BEYOND = "beyond"


_LEAST_ROWS_WITH_SPARE = 4  # with fewer rows, a reserved row would be too large a share of the worker


def spare_rows(num_rows: int) -> int:
    """Returns how many rows of an AR worker are reserved for interactive renders. This is one row, or none if the
    worker has fewer than 4 rows.
    """
    return int(num_rows >= _LEAST_ROWS_WITH_SPARE)


@dataclass(frozen=True, slots=True)
class Vacancy:
    """Room in a worker for one more render. The render must be in the class `least` or a more urgent one.

    `room` is the way in which the worker would run the render.
    """

    room: Room = Room.FREE
    least: Priority = Priority.BATCH


@dataclass(frozen=True, slots=True)
class LostAttempt:
    """An earlier attempt at a render that was lost, because its worker died or lost the lease.

    `lasted_s` is the seconds from the start of the attempt until the store put the render back into its queue. `ago_s`
    is the seconds since then.
    """

    worker_id: WorkerId
    lasted_s: float
    ago_s: float


@dataclass(frozen=True, slots=True)
class Handover:
    """The latents (the state of a picture between two denoise steps) that a worker stored for an unfinished render
    before the worker ended. Another worker continues the render from them. `num_done` is the number of finished denoise
    steps.
    """

    key: ObjectKey
    sha256: str
    num_done: int


@dataclass(frozen=True, slots=True)
class Claim:
    """A render that a worker has leased, with all that its stage needs. `prior` is None for AR, and the finished token
    grid for the DiT.

    `handover` is None unless an earlier worker ended before the render was finished, and stored its latents so that
    this worker can continue.

    `prior_engine` describes the software and the device that computed the token grid, for the picture's manifest. It is
    empty if that is unknown.

    `ar_device_s` is the seconds of the device that the AR stage took. It is None for the token grid of an earlier job,
    and 0 if it is unknown. It is for the usage of the tenant, and so is `tenant`, which is also for the manifest.

    `reuse` permits to answer the render with an earlier picture of the same request, and later requests with its own.

    `checks_text` says that the text in the picture is read before the render ends.

    The last four fields are only for logs and traces:
    - `origin` is the HTTP request that created the job.
    - `attempt` counts the attempts in this stage from 1.
    - `waited_s` is the seconds that the render waited for this stage.
    - `lost` is the previous attempt, if that attempt was lost.
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
    prior_engine: Mapping[str, str] = field(default_factory=dict, compare=False)
    ar_device_s: float | None = field(default=None, compare=False)
    tenant: TenantId = field(default=DEFAULT_TENANT, compare=False)
    reuse: bool = field(default=False, compare=False)
    checks_text: bool = False
    origin: Origin | None = field(default=None, compare=False)
    attempt: int = field(default=1, compare=False)
    waited_s: float = field(default=0.0, compare=False)
    lost: LostAttempt | None = field(default=None, compare=False)

    @property
    def render_id(self) -> RenderId:
        return self.lease.render_id

    @property
    def num_steps(self) -> int:
        """Returns the number of steps of the whole stage."""
        settings = self.settings
        return settings.num_decode_steps if self.lease.stage is Stage.AR else settings.num_denoise_steps

    @property
    def folder(self) -> str:
        """Returns the prefix of the keys under which this attempt stores objects.

        The prefix contains the random id of the lease's holder. So two attempts never write the same object.
        """
        return f"jobs/{self.job_id}/{self.index:04d}/{self.lease.holder}"

    @property
    def log_ids(self) -> Mapping[str, str | int]:
        """Returns the ids that every log line about this render carries, so that the lines can be found."""
        return log_ids(self.origin, job_id=self.job_id, render_id=self.render_id)
