"""What was asked: the settings of a picture and the request that it belongs to. `shared.intake` has checked them."""

from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum

from pydantic import BaseModel, ConfigDict

from shared.geometry import GridSize, large_grid, num_decode_steps
from shared.ids import DEFAULT_TENANT, JobId, ObjectKey, TenantId
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
    config. `images` are normalised condition images (see `shared.images.normalise`): both stages read the same bytes.
    Their widths and heights are `image_sizes`, empty in records of earlier releases.
    """

    model_config = ConfigDict(hide_input_in_errors=True, frozen=True)

    prompt: str
    width_px: int
    height_px: int
    num_inference_steps: int = 50
    guidance_scale: float = 1.5
    quality: Quality = Quality.EXACT
    temperature: float | None = None
    top_p: float | None = None
    images: tuple[ObjectKey, ...] = ()
    image_sizes: tuple[tuple[int, int], ...] = ()
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

    model_config = ConfigDict(hide_input_in_errors=True, frozen=True)

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

    @property
    def facts(self) -> Mapping[str, str | int]:
        """What logs tell of it: neither its prompt nor its URLs."""
        settings = self.settings
        size = f"{settings.width_px}x{settings.height_px}"
        return {"n": self.n, "size": size, "steps": settings.num_inference_steps, "priority": self.priority.value}

    def seed_of(self, index: int) -> int:
        """Render `index` uses `seed + index`, wrapping at 2^53."""
        return (self.seed + index) % SEED_LIMIT
