"""Jobs and renders as values: what was asked, what is leased, what is known. Nothing here does I/O."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from pydantic import BaseModel, ConfigDict

from shared.enhancement import Enhancement
from shared.geometry import GridSize, large_grid, num_decode_steps
from shared.ids import DEFAULT_TENANT, Fence, HolderId, JobId, ObjectKey, RenderId, Revision, TenantId, WorkerId
from shared.states import JobStatus, RenderState, Stage
from shared.token_grid import Prior
from shared.webhooks.events import PayloadStyle

SEED_LIMIT = 2**53  # the largest range that every JSON client reads exactly


class OutputFormat(StrEnum):
    """File format of the finished picture."""

    PNG = "png"
    WEBP = "webp"
    JPEG = "jpeg"

    @property
    def content_type(self) -> str:
        return f"image/{self.value}"


class Quality(StrEnum):
    """`exact` computes what the reference computes; `fast` reuses parts of earlier denoise steps."""

    EXACT = "exact"
    FAST = "fast"


class Priority(StrEnum):
    """Scheduling classes, the most urgent first. A higher class goes first, may pre-empt, and leaves others a floor."""

    INTERACTIVE = "interactive"
    BATCH = "batch"

    @property
    def handicap_s(self) -> int:
        """A prompt is enhanced before those of a higher class that came this much later or more."""
        return self.rank * 300

    @property
    def rank(self) -> int:
        """0 is the most urgent."""
        return list(Priority).index(self)


class RenderSettings(BaseModel):
    """All that decides a picture, apart from its seed. Sizes are in pixels; `images` are object keys, in order.

    `crop_width_px` and `crop_height_px`, given together, are the size that is delivered where it is not the rendered
    one: scaled to cover it, the middle kept. `temperature` and `top_p` of None mean the checkpoint's own generation
    config. `images` are normalised condition images (see `shared.images`): both stages read the same bytes.
    """

    model_config = ConfigDict(frozen=True)

    prompt: str
    width_px: int
    height_px: int
    num_inference_steps: int = 50
    guidance_scale: float = 1.5
    quality: Quality = Quality.EXACT
    temperature: float | None = None
    top_p: float | None = None
    images: tuple[ObjectKey, ...] = ()
    output_format: OutputFormat = OutputFormat.PNG
    output_quality: int = 90
    embed_metadata: bool = True
    crop_width_px: int | None = None
    crop_height_px: int | None = None

    @property
    def delivered_size(self) -> tuple[int, int]:
        """Width and height of the finished picture."""
        return self.crop_width_px or self.width_px, self.crop_height_px or self.height_px

    @property
    def is_edit(self) -> bool:
        return bool(self.images)

    @property
    def grid(self) -> GridSize:
        return large_grid(self.width_px, self.height_px)

    @property
    def num_decode_steps(self) -> int:
        return num_decode_steps(self.width_px, self.height_px, is_edit=self.is_edit)


class PriorRef(BaseModel):
    """The render whose token grid another job decodes again."""

    model_config = ConfigDict(frozen=True)

    job_id: JobId
    index: int


class JobSpec(BaseModel):
    """One accepted request of 1..n renders. Frozen: a picture depends on its request alone.

    `enhance_prompt`: before AR, a language model rewrites `settings.prompt`, which stays here as it was sent; what it
    wrote is the job's `enhancement`. `prior`: the renders begin with the token grid of an earlier one.

    `partial_images` (0..3) asks for previews while the DiT works; like `priority` it changes no picture. A render
    that is not leased within `start_timeout_s` of its acceptance, not finished within `execution_timeout_s` of its
    first lease, or not finished at `deadline` (aware), expires.
    """

    model_config = ConfigDict(frozen=True)

    settings: RenderSettings
    n: int
    seed: int
    tenant: TenantId = DEFAULT_TENANT
    priority: Priority = Priority.INTERACTIVE
    partial_images: int = 0
    enhance_prompt: bool = False
    prior: PriorRef | None = None
    start_timeout_s: float | None = None
    execution_timeout_s: float | None = None
    deadline: datetime | None = None
    metadata: Mapping[str, str] = {}
    webhook_url: str | None = None
    webhook_events: tuple[str, ...] = ()
    webhook_payload: PayloadStyle = PayloadStyle.FULL
    webhook_secret: str | None = None

    def seed_of(self, index: int) -> int:
        """Render `index` uses `seed + index`, wrapping at 2^53."""
        return (self.seed + index) % SEED_LIMIT


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


@dataclass(frozen=True, slots=True)
class ClientName:
    """What its owner calls a job, and a digest of the request that named it first."""

    client_id: str
    fingerprint: str


@dataclass(frozen=True, slots=True)
class PriorSource:
    """A finished token grid and the model revision that wrote it: what a re-render begins with."""

    prior: Prior
    revision: Revision


@dataclass(frozen=True, slots=True)
class Picture:
    """A finished picture in the object store."""

    key: ObjectKey
    manifest_key: ObjectKey
    sha256: str
    num_bytes: int
    content_type: str

    @property
    def grid_key(self) -> ObjectKey:
        """Its token grid lies beside it."""
        return ObjectKey(f"{self.key.rpartition('/')[0]}/prior.gpg")


class Place(StrEnum):
    """Where a render was when it was cancelled, expired or failed: the stage that it was in or waited for."""

    BEFORE_START = "before_start"
    AR = "ar"
    DIT = "dit"


@dataclass(frozen=True, slots=True)
class Render:
    """One picture as the store knows it. Stage times are aware UTC and None until they happen."""

    render_id: RenderId
    index: int
    state: RenderState
    seed: int
    progress: Progress | None
    picture: Picture | None
    error: Mapping[str, object] | None
    ended_in: Place | None
    attempts: int
    prior_started_at: datetime | None
    prior_ready_at: datetime | None
    decode_started_at: datetime | None
    finished_at: datetime | None


@dataclass(frozen=True, slots=True)
class Job:
    """One job as the store knows it, with its renders in order of index."""

    job_id: JobId
    spec: JobSpec
    status: JobStatus
    revision: Revision
    renders: tuple[Render, ...]
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    enhancement: Enhancement | None = None

    @property
    def revised_prompt(self) -> str | None:
        """What is drawn instead of the prompt as it was sent."""
        return self.enhancement.revised_prompt if self.enhancement else None

    @property
    def num_missing(self) -> int:
        """Pictures that it has not, or not yet."""
        return sum(render.picture is None for render in self.renders)


@dataclass(frozen=True, slots=True)
class Crash:
    """A worker died or hung with this render in its running step. `steps` is what the worker had last said of it."""

    worker_id: WorkerId
    stage: Stage
    at: datetime
    steps: Progress
    was_alone: bool
    log_lines: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """A render that failed as `poison`, with the evidence: the crashes that spoke against it, oldest first."""

    render_id: RenderId
    job_id: JobId
    index: int
    stage: Stage
    died_at: datetime
    strikes: int
    crashes: tuple[Crash, ...]
