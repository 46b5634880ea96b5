"""Describes an accepted request: the settings of its pictures and of its job. `shared.intake` has validated them."""

from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum

from pydantic import BaseModel, ConfigDict

from shared.geometry import GridSize, large_grid, num_decode_steps
from shared.ids import DEFAULT_TENANT, JobId, ObjectKey, TenantId
from shared.jobs.text_check import TextCheck
from shared.webhooks.events import PayloadStyle

SEED_LIMIT = 2**53  # every JSON client reads integers below this exactly


class OutputFormat(StrEnum):
    """The file format of a finished picture."""

    PNG = "png"
    WEBP = "webp"
    JPEG = "jpeg"

    @property
    def content_type(self) -> str:
        return f"image/{self.value}"


class Quality(StrEnum):
    """The quality of a render, which decides how its denoise steps are computed.

    - `exact` computes what the reference pipeline computes.
    - `balanced` uses guidance only in a part of the schedule. The other steps have one forward pass instead of two.
    - `fast` computes some of the steps, and extrapolates the noise of the others from earlier ones.
    - `few_steps` takes two fifths of the steps, with a solver of second order.
    """

    EXACT = "exact"
    BALANCED = "balanced"
    FAST = "fast"
    FEW_STEPS = "few_steps"


class Priority(StrEnum):
    """The scheduling classes, the most urgent first.

    The stages serve a more urgent class first, and it may pre-empt a less urgent class. The less urgent class still
    gets a minimum share of the work.
    """

    INTERACTIVE = "interactive"
    BATCH = "batch"

    @property
    def handicap_s(self) -> int:
        """Returns the seconds that are added to the arrival time of a waiting prompt enhancement of this class.

        The queue of prompt enhancements is in the order of this sum. So higher classes come first, but a lower class
        does not wait for ever.
        """
        return self.rank * 300

    @property
    def rank(self) -> int:
        """Returns the rank of the scheduling class. 0 is the most urgent class."""
        return list(Priority).index(self)


class RenderSettings(BaseModel):
    """All settings that determine a picture, except its seed. Sizes are in pixels.

    - `images` are the object keys of the condition images, in order. The images are normalised (see
      `shared.images.normalise`), and both stages read the same bytes.
    - `image_sizes` are the widths and heights of these images. It is empty in records of earlier releases.
    - `crop_width_px` and `crop_height_px` are set if the finished picture has another size than the rendered picture.
      The rendered picture is then scaled to cover the finished size, and its middle is kept.
    - `mark` is the text of the visible mark in the finished picture, or None. The text is set by the operator. It is
      copied when the request is accepted, so a later text does not change the picture.
    - If `temperature` or `top_p` is None, the value in the checkpoint's generation config is used.
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
    mark: str | None = None
    crop_width_px: int | None = None
    crop_height_px: int | None = None

    @property
    def delivered_size(self) -> tuple[int, int]:
        """Returns the width and height of the finished picture in pixels."""
        return self.crop_width_px or self.width_px, self.crop_height_px or self.height_px

    @property
    def is_edit(self) -> bool:
        return bool(self.images)

    @property
    def grid(self) -> GridSize:
        return large_grid(self.width_px, self.height_px)

    @property
    def num_denoise_steps(self) -> int:
        """Returns the number of denoise steps that the render takes. With quality `few_steps` they are two fifths of
        the `num_inference_steps` that were asked for, rounded up: 20 of 50.
        """
        asked = self.num_inference_steps
        return -(-2 * asked // 5) if self.quality is Quality.FEW_STEPS else asked

    @property
    def guided_steps(self) -> range:
        """Returns the indices, from 0, of the denoise steps with guidance, which have two forward passes.

        With quality `balanced` they are the first three fifths, rounded up: 0 to 29 of 50. Guidance changes a picture
        most in its first steps (docs/dit_engine.md). Source: "Applying Guidance in a Limited Interval",
        https://arxiv.org/abs/2404.07724.
        """
        steps = self.num_denoise_steps
        if self.guidance_scale <= 1:
            return range(0)
        return range(-(-3 * steps // 5) if self.quality is Quality.BALANCED else steps)

    @property
    def num_decode_steps(self) -> int:
        return num_decode_steps(self.width_px, self.height_px, is_edit=self.is_edit)


class PriorRef(BaseModel):
    """Names the render whose token grid another job decodes again."""

    model_config = ConfigDict(frozen=True)

    job_id: JobId
    index: int


class JobSpec(BaseModel):
    """One accepted request with 1 to n renders. It never changes, so a picture depends only on its request.

    - `model` is the name of the model, or None for the default model of the service.
    - With `enhance_prompt`, a language model rewrites the prompt before AR starts. `settings.prompt` stays the original
      prompt, and the job's `enhancement` has the rewritten prompt.
    - With `prior`, the renders start with the token grid of an earlier render.
    - With `text_check`, the text in each picture is read, and a picture with wrong text is drawn again.
    - `partial_images` (0 to 3) asks for previews during the DiT stage. The previews don't change the picture.
    - With `reuse`, an earlier picture of the same request and tenant may answer a render, and its own a later one.
    - `priority` sets the scheduling class. It doesn't change the picture either.

    A render expires if no worker leases it within `start_timeout_s` after the request was accepted. It also expires if
    it is not finished within `execution_timeout_s` after its first lease, or by `deadline` (a time with its time zone).
    The job and all its objects are deleted `delete_after_s` seconds after its end; None: not by themselves.
    """

    model_config = ConfigDict(hide_input_in_errors=True, frozen=True)

    settings: RenderSettings
    n: int
    seed: int
    model: str | None = None
    tenant: TenantId = DEFAULT_TENANT
    priority: Priority = Priority.INTERACTIVE
    partial_images: int = 0
    enhance_prompt: bool = False
    reuse: bool = False
    prior: PriorRef | None = None
    text_check: TextCheck | None = None
    start_timeout_s: float | None = None
    execution_timeout_s: float | None = None
    deadline: datetime | None = None
    delete_after_s: int | None = None
    metadata: Mapping[str, str] = {}
    webhook_url: str | None = None
    webhook_events: tuple[str, ...] = ()
    webhook_payload: PayloadStyle = PayloadStyle.FULL
    webhook_secret: str | None = None

    @property
    def facts(self) -> Mapping[str, str | int]:
        """Returns the facts about the request that log lines contain. They include neither the prompt nor URLs."""
        settings = self.settings
        size = f"{settings.width_px}x{settings.height_px}"
        return {"n": self.n, "size": size, "steps": settings.num_inference_steps, "priority": self.priority.value}

    def seed_of(self, index: int) -> int:
        """Returns the seed of the render with this index: `seed + index`, modulo 2^53."""
        return (self.seed + index) % SEED_LIMIT
