"""The fields of a request for pictures and their types. Limits set by settings are checked in `shared.intake.spec`."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Annotated, Any, get_args

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationInfo
from typing_extensions import Buffer

from shared.ids import JobId
from shared.intake.types import (
    ImageInput,
    MetadataKey,
    MetadataValue,
    Side,
    SigningKey,
    Text,
    Time,
    Timeout,
    not_blank,
)
from shared.jobs.spec import SEED_LIMIT, OutputFormat, Priority, Quality
from shared.webhooks.events import JobEventType, PayloadStyle


def _without_default(schema: dict[str, Any]) -> None:
    del schema["default"]


def _given_or_the_priors(text: str, info: ValidationInfo) -> str:
    return text if text == "" and info.data.get("prior") else not_blank(text)


class PriorRequest(BaseModel):
    """An earlier picture, by job id and index."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    job_id: Annotated[JobId, Field(pattern=r"^job_[0-9a-z]{26}$")]
    index: int = Field(default=0, ge=0)


class JobRequest(BaseModel):
    """A request of 1..n pictures. Unknown fields are refused; null, where it is allowed, is the same as leaving a field
    out.
    """

    # Strict: "5", 5.0 and true are not the integer 5.
    model_config = ConfigDict(
        hide_input_in_errors=True,
        extra="forbid",
        strict=True,
        frozen=True,
        json_schema_extra={"anyOf": [{"required": ["prompt"]}, {"required": ["prior"]}]},
    )

    # Before the prompt, whose validation looks at it.
    prior: PriorRequest | None = Field(
        default=None,
        description="decode the token grid of this picture again, without new AR work. Size, images, prompt and model "
        "are those of that picture; settings of the DiT and the file, and the seed, too, where they are left out",
    )
    prompt: Annotated[Text, AfterValidator(_given_or_the_priors)] = Field(
        default="",
        validate_default=True,
        description="text to be drawn goes in quotes. Required unless there is a `prior`",
        json_schema_extra=_without_default,
    )
    size: Annotated[str, Field(pattern=r"^[1-9][0-9]{0,4}x[1-9][0-9]{0,4}$")] | None = Field(
        default=None,
        description="width x height, such as 1152x1024. Default: the first image's size, else 1024x1024",
    )
    width: Side | None = Field(default=None, description="with `height`, instead of `size`")
    height: Side | None = Field(default=None, description="with `width`, instead of `size`")
    resize: bool = Field(
        default=False,
        description="for sides that are no multiples of 32: render the next larger size, scale it to cover the "
        "requested one (Lanczos) and keep its middle. Answered as rendered_size",
    )
    n: int = Field(default=1, ge=1, description="pictures; picture i is drawn with seed + i")
    seed: int | None = Field(default=None, ge=0, lt=SEED_LIMIT, description="drawn and answered when left out")
    num_inference_steps: int = Field(default=50, ge=1, description="denoise steps")
    guidance_scale: float = Field(default=1.5, ge=0, le=20, allow_inf_nan=False)
    quality: Annotated[Quality, Field(strict=False)] = Field(
        default=Quality.EXACT, description="exact: what the reference computes; fast: reuses parts of earlier steps"
    )
    temperature: float | None = Field(
        default=None, ge=0.01, le=2, allow_inf_nan=False, description="of the token sampling; default: the model's own"
    )
    top_p: float | None = Field(
        default=None, gt=0, le=1, allow_inf_nan=False, description="of the token sampling; default: the model's own"
    )
    enhance_prompt: bool = Field(
        default=False,
        description="let a language model rewrite the prompt first, quoted text kept; answered as revised_prompt",
    )
    images: list[ImageInput] = Field(
        default=[],
        description="pictures to edit or combine: base64 data URLs, files of your own (`file-...`, or an object with "
        "`file_id`), or https URLs, which are fetched before the answer "
        "and without following redirects",
    )
    output_format: Annotated[OutputFormat, Field(strict=False)] = OutputFormat.PNG
    output_quality: int = Field(default=90, ge=1, le=100, description="of JPEG and WebP")
    embed_metadata: bool = Field(default=True, description="write prompt, seed and settings into the file")
    priority: Annotated[Priority, Field(strict=False)] = Field(
        default=Priority.INTERACTIVE, description="scheduling class; it changes no picture"
    )
    partial_images: int = Field(default=0, ge=0, le=3, description="previews published as events while it is drawn")
    start_timeout_s: Timeout | None = Field(
        default=None, description="a picture that no worker has begun by then expires; seconds from acceptance"
    )
    execution_timeout_s: Timeout | None = Field(
        default=None, description="a picture that is not finished by then expires; seconds from when it was begun"
    )
    deadline: Time | None = Field(
        default=None,
        description="pictures that are not finished at this moment expire; RFC 3339, such as 2026-01-05T09:30:00Z",
    )
    metadata: dict[MetadataKey, MetadataValue] = Field(
        default={}, max_length=16, description="pairs of your own, answered as they came"
    )
    webhook_url: Text | None = Field(default=None, description="told when the job ends, or what `webhook_events` says")
    webhook_events: list[JobEventType] | None = Field(
        default=None, min_length=1, max_length=len(get_args(JobEventType)), description="default: every end"
    )
    webhook_payload: Annotated[PayloadStyle, Field(strict=False)] | None = Field(
        default=None, description="full, the default: the job as GET answers it; thin: its id alone"
    )
    webhook_secret: SigningKey | None = Field(
        default=None,
        repr=False,
        description="whsec_ and base64; signs this job's webhooks instead of the tenant's secret. Never answered",
        json_schema_extra={"writeOnly": True},
    )


@dataclass(frozen=True, slots=True)
class Body:
    """The fields of a request and the files that came with them, in order.

    `pictures` maps the placeholder in `request.images` of each picture that was cut out of the JSON to its base64.
    """

    request: JobRequest
    files: Sequence[Buffer] = ()
    pictures: Mapping[str, Buffer] = field(default_factory=dict)
