"""Defines the fields of a request for pictures. `shared.intake.spec` checks the limits that depend on settings."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Annotated, get_args

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationInfo
from typing_extensions import Buffer

from shared.ids import JobId
from shared.intake.types import (
    DeleteAfter,
    ImageInput,
    MetadataKey,
    MetadataValue,
    Side,
    SigningKey,
    Size,
    Text,
    Time,
    Timeout,
    not_blank,
)
from shared.jobs.spec import SEED_LIMIT, OutputFormat, Priority, Quality
from shared.jobs.text_check import MOST_REDRAWS
from shared.webhooks.events import JobEventType, PayloadStyle


def _given_or_the_priors(text: str, info: ValidationInfo) -> str:
    if text == "" and info.data.get("prior", True):  # an invalid prior is not in the data, and is an error of its own
        return text
    return not_blank(text)


class PriorRequest(BaseModel):
    """An earlier picture, given by its job id and index."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    job_id: Annotated[JobId, Field(pattern=r"^job_[0-9a-z]{26}$", examples=["job_01ke6q8v3c9t0n5w7x2z4b6d8f"])]
    index: int = Field(default=0, ge=0)


class TextCheckRequest(BaseModel):
    """A check of the text in the pictures."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    redraws: int = Field(
        default=3, ge=0, le=MOST_REDRAWS, description="how often a picture with wrong text is drawn again at most"
    )


class JobRequest(BaseModel):
    """A request for pictures. Unknown fields are refused. Where null is allowed, it is the same as leaving the field
    out.
    """

    # Strict: 5.0 and true are not the integer 5. `text_values` has converted the text "5" before.
    model_config = ConfigDict(hide_input_in_errors=True, extra="forbid", strict=True, frozen=True)

    # This field must come before `prompt`, whose validation reads it.
    prior: PriorRequest | None = Field(
        default=None,
        description="an earlier picture whose token grid is decoded again, without AR work. Size, images, prompt "
        "and model come from that picture and can't be changed. DiT settings, file settings and the "
        "seed are copied from it if you leave them out",
    )
    model: Text | None = Field(
        default=None,
        description="name of the model, as in /v1/models. Default: the service's default model, or that of the `prior`",
    )
    prompt: Annotated[Text, AfterValidator(_given_or_the_priors)] = Field(
        default="",
        validate_default=True,
        description="description of the picture; put text that should appear in the picture in quotes. Required "
        "unless there is a `prior`",
    )
    size: Size | None = Field(
        default=None,
        description="width x height in pixels, such as 1152x1024; also 1152X1024, 1152*1024 or 1152×1024. Default: the "
        "size of the first image, else 1024x1024",
    )
    width: Side | None = Field(default=None, description="width in pixels; give `height` as well, instead of `size`")
    height: Side | None = Field(default=None, description="height in pixels; give `width` as well, instead of `size`")
    resize: bool = Field(
        default=False,
        description="for sides that are not multiples of 32: render the next larger size, scale the picture to "
        "cover the requested size (Lanczos) and keep its middle. The response has the larger size as "
        "rendered_size",
    )
    n: int = Field(default=1, ge=1, description="number of pictures; picture i (from 0) is rendered with seed + i")
    seed: int | None = Field(
        default=None,
        ge=0,
        lt=SEED_LIMIT,
        description="seed of the first picture. If left out, a random seed is used and returned in the response",
    )
    num_inference_steps: int = Field(default=50, ge=1, description="number of denoise steps")
    guidance_scale: float = Field(default=1.5, ge=0, le=20, allow_inf_nan=False)
    quality: Annotated[Quality, Field(strict=False)] = Field(
        default=Quality.EXACT,
        description="how the denoise steps are computed. exact: as the reference pipeline does. The others save time, "
        "and their pictures differ a little. balanced: with guidance only in the first three fifths of the steps. "
        "fast: some steps are extrapolated from earlier ones. few_steps: two fifths of the steps, "
        "with a solver of second order",
    )
    temperature: float | None = Field(
        default=None,
        ge=0.01,
        le=2,
        allow_inf_nan=False,
        description="temperature of the token sampling. Default: the model's own value",
    )
    top_p: float | None = Field(
        default=None,
        gt=0,
        le=1,
        allow_inf_nan=False,
        description="top-p of the token sampling. Default: the model's own value",
    )
    enhance_prompt: bool = Field(
        default=False,
        description="let a language model rewrite the prompt first; quoted text stays. The response has the new "
        "prompt as revised_prompt",
    )
    reuse: bool = Field(
        default=False,
        description="if you have a picture of an equal request that also had `reuse`, get a copy of it, not a new "
        "render. Needs a `seed`; not with `prior`. The response says `reused_from`",
    )
    text_check: TextCheckRequest | None = Field(
        default=None,
        description="read the text in each picture and compare it with the quoted text of the prompt. While it is "
        "wrong, the picture is drawn again with another seed. The best picture is kept",
    )
    images: list[ImageInput] = Field(
        default=[],
        description="pictures to edit or combine: base64 data URLs, files that you uploaded (`file-...`, or an "
        "object with `file_id`), or https URLs. URLs are fetched before the response, without "
        "following redirects. A picture is a PNG, JPEG, WebP, GIF, BMP, TIFF, AVIF or HEIC file",
    )
    output_format: Annotated[OutputFormat, Field(strict=False)] = OutputFormat.PNG
    output_quality: int = Field(default=90, ge=1, le=100, description="quality of JPEG and WebP files")
    embed_metadata: bool = Field(default=True, description="write prompt, seed and settings into the file")
    visible_mark: bool = Field(
        default=False,
        description="draw a short text, such as AI generated, into the lower right corner of the pictures. The "
        "operator of the service sets the text",
    )
    priority: Annotated[Priority, Field(strict=False)] = Field(
        default=Priority.INTERACTIVE, description="scheduling class; it does not change the pictures"
    )
    partial_images: int = Field(
        default=0, ge=0, le=3, description="number of previews that are published as events while a picture is rendered"
    )
    start_timeout_s: Timeout | None = Field(
        default=None, description="seconds after acceptance; a picture that no worker has started by then expires"
    )
    execution_timeout_s: Timeout | None = Field(
        default=None, description="seconds after a picture was started; if it is not finished by then, it expires"
    )
    deadline: Time | None = Field(
        default=None,
        description="time at which pictures that are not finished expire; RFC 3339, such as 2026-01-05T09:30:00Z",
    )
    delete_after_s: DeleteAfter | None = Field(
        default=None,
        description="seconds after the end of the job at which it is deleted with all its pictures, as by DELETE. "
        "Default: the tenant's default; without one, the pictures stay",
    )
    metadata: dict[MetadataKey, MetadataValue] = Field(
        default={}, max_length=16, description="your own names and values, returned unchanged in responses"
    )
    webhook_url: Text | None = Field(
        default=None, description="URL that gets a webhook when the job ends, or for the events in `webhook_events`"
    )
    webhook_events: list[JobEventType] | None = Field(
        default=None,
        min_length=1,
        max_length=len(get_args(JobEventType)),
        description="events that are sent to `webhook_url`. Default: every way in which a job can end",
    )
    webhook_payload: Annotated[PayloadStyle, Field(strict=False)] | None = Field(
        default=None,
        description="body of the webhooks: full (the default) has the job as GET returns it; thin has only its id",
    )
    webhook_secret: SigningKey | None = Field(
        default=None,
        repr=False,
        description="whsec_ and base64. It signs the webhooks of this job instead of the tenant's secret, and is "
        "never returned",
        json_schema_extra={"writeOnly": True},
    )


@dataclass(frozen=True, slots=True)
class Body:
    """The fields of a request, and the files that were uploaded with them, in order.

    `pictures` maps each placeholder in `request.images` to the base64 of the picture that was cut out of the JSON.
    """

    request: JobRequest
    files: Sequence[Buffer] = ()
    pictures: Mapping[str, Buffer] = field(default_factory=dict)
