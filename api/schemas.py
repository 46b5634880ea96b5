"""What callers may send, field by field. Limits that are settings are `api.intake`'s."""

import re
from enum import StrEnum
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, AwareDatetime, BaseModel, BeforeValidator, ConfigDict, Field, ValidationInfo
from pydantic_core import PydanticCustomError
from typing_extensions import TypedDict
from werkzeug.datastructures import MultiDict

from shared.ids import JobId, RenderId
from shared.jobs import SEED_LIMIT, OutputFormat, Priority, Quality
from shared.states import JobStatus
from shared.store.job_filter import JobFilter
from shared.webhook_secret import WHAT_IT_IS, is_webhook_secret

_RFC3339 = re.compile(r"\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d:\d\d(\.\d+)?([Zz]|[+-]\d\d:\d\d)")
MAX_TIMEOUT_S = 30 * 24 * 3600  # far beyond any queue; more is a mistake of units


class FileReference(TypedDict):
    """A file of the caller's own."""

    file_id: str


class WebhookEvent(StrEnum):
    """The ends of a job that a receiver can ask for."""

    SUCCEEDED = "job.succeeded"
    FAILED = "job.failed"
    CANCELLED = "job.cancelled"
    EXPIRED = "job.expired"


def _storable(text: str) -> str:
    if "\0" in text:
        raise PydanticCustomError("nul", "must not contain NUL characters")
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise PydanticCustomError("surrogate", "must not contain lone surrogates") from error
    return text


def _not_blank(text: str) -> str:
    if not text.strip():
        raise PydanticCustomError("blank", "must not be empty")
    return text


def _rfc3339(text: object) -> object:
    if not isinstance(text, str) or not _RFC3339.fullmatch(text):
        raise PydanticCustomError("rfc3339", "must be a time with its offset, such as 2026-01-05T09:30:00Z")
    return text


def _signing_key(text: str) -> str:
    if not is_webhook_secret(text):
        raise PydanticCustomError("webhook_secret", WHAT_IT_IS)
    return text


def _file_id(image: object) -> object:
    """`{"file_id": "file-..."}`, as OpenAI's edits have it, is the same as the id alone."""
    return image["file_id"] if isinstance(image, dict) and image.keys() == {"file_id"} else image


Text = Annotated[str, AfterValidator(_storable)]
ImageInput = Annotated[
    Text,
    BeforeValidator(_file_id, json_schema_input_type=str | FileReference),
]
MetadataKey = Annotated[Text, Field(min_length=1, max_length=64)]
MetadataValue = Annotated[Text, Field(max_length=512)]
Side = Annotated[int, Field(description="pixels; a multiple of 32 from 256 to 2048, ratio of the sides at most 4")]

Time = Annotated[AwareDatetime, BeforeValidator(_rfc3339), Field(strict=False)]
Timeout = Annotated[float, Field(gt=0, le=MAX_TIMEOUT_S, allow_inf_nan=False)]


def _without_default(schema: dict[str, Any]) -> None:
    del schema["default"]


def _given_or_the_priors(text: str, info: ValidationInfo) -> str:
    return text if text == "" and info.data.get("prior") else _not_blank(text)


class PriorRequest(BaseModel):
    """An earlier picture, by its job and its index."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    job_id: Annotated[JobId, Field(pattern=r"^job_[0-9a-z]{26}$")]
    index: int = Field(default=0, ge=0)


class JobRequest(BaseModel):
    """One request of 1..n pictures. Unknown fields are refused; null, where it is allowed, leaves a field out."""

    # Strict: "5", 5.0 and true are not the integer 5.
    model_config = ConfigDict(
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
    webhook_url: Text | None = Field(default=None, description="called once, when the job ends")
    webhook_events: list[Annotated[WebhookEvent, Field(strict=False)]] | None = Field(
        default=None, min_length=1, max_length=len(WebhookEvent), description="default: every end"
    )
    webhook_secret: Annotated[Text, AfterValidator(_signing_key)] | None = Field(
        default=None,
        repr=False,
        description="whsec_ and base64; signs this job's webhooks instead of the tenant's secret. Never answered",
        json_schema_extra={"writeOnly": True},
    )


class RetryRequest(BaseModel):
    """The body of a retry; it may be left out."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    deadline: Time | None = Field(default=None, description="in place of the job's own; null: none")


class DeadLetterQuery(BaseModel):
    """The query of a list of dead letters."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    limit: int = Field(default=20, ge=1, le=100)
    after: Annotated[RenderId, Field(pattern=r"^job_[0-9a-z]{26}:[0-9]{4}$")] | None = Field(
        default=None, description="`next` of the page before"
    )


class ListQuery(BaseModel):
    """The query of a job list. Values come as text, so this one is not strict."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    limit: int = Field(default=20, ge=1, le=100)
    after: Annotated[JobId, Field(pattern=r"^job_[0-9a-z]{26}$")] | None = Field(
        default=None, description="`next` of the page before"
    )
    status: list[JobStatus] = Field(default=[], description="one or several, repeated or with commas between")
    created_after: Time | None = Field(default=None, description="from this moment on, by the time in the job's id")
    created_before: Time | None = Field(default=None, description="before this moment, by the time in the job's id")
    order: Literal["asc", "desc"] = Field(default="desc", description="of creation; desc: newest first")

    @property
    def filters(self) -> JobFilter:
        return JobFilter(frozenset(self.status), self.created_after, self.created_before, self.order == "asc")


def list_fields(query: MultiDict[str, str]) -> dict[str, object]:
    """The fields of a `ListQuery`, of which only `status` can have several values."""
    statuses = [status for text in query.getlist("status") for status in text.split(",")]
    return {**query.to_dict(), **({"status": statuses} if statuses else {})}
