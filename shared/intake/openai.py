"""Parses requests in the format of OpenAI's image API, and translates them to fields of `JobRequest`. Refuses options
that would change the picture and that this service lacks.

Every field of OpenAI's API is defined here, so that no field is silently ignored: a hint without effect leads to a
warning in the response. A null value is the same as a missing field.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationInfo, model_validator
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, PydanticCustomError, PydanticOmit, core_schema

from shared.intake.request import TextCheckRequest
from shared.intake.types import MetadataValue, Text, not_blank
from shared.jobs.spec import OutputFormat, Quality
from shared.models.names import default_response_format

# OpenAI's values are low, medium, high, xhigh, max and auto. Its earlier models had standard and hd. Gridpress adds
# its own four.
QUALITIES = {
    "low": Quality.FAST,
    "medium": Quality.FAST,
    "standard": Quality.FAST,
    "fast": Quality.FAST,
    "high": Quality.EXACT,
    "xhigh": Quality.EXACT,
    "max": Quality.EXACT,
    "hd": Quality.EXACT,
    "exact": Quality.EXACT,
    "balanced": Quality.BALANCED,
    "few_steps": Quality.FEW_STEPS,
    "auto": Quality.EXACT,
}
_OPENAI_QUALITIES = ("low", "medium", "high", "xhigh", "max")
_ANSWERED = {Quality.FAST: "medium", Quality.FEW_STEPS: "medium", Quality.BALANCED: "medium", Quality.EXACT: "high"}

QualityName = Literal[
    "low", "medium", "high", "xhigh", "max", "auto", "standard", "hd", "exact", "balanced", "fast", "few_steps"
]

# Fields of Gridpress with the same name and meaning as in a native request, which validates their ranges.
_AS_THEY_ARE = (
    "model",
    "seed",
    "num_inference_steps",
    "guidance_scale",
    "temperature",
    "top_p",
    "resize",
    "enhance_prompt",
    "reuse",
    "text_check",
    "embed_metadata",
    "visible_mark",
    "priority",
    "start_timeout_s",
    "execution_timeout_s",
    "deadline",
    "delete_after_s",
    "webhook_url",
    "webhook_events",
    "webhook_payload",
    "webhook_secret",
)
STYLE_WARNING = "style has no effect: describe the style in the prompt"
# Hints that the service accepts and ignores, each with the warning for it and the values that need no warning.
_IGNORED = {
    "style": (STYLE_WARNING, ()),
    "complexity": ("complexity has no effect: use num_inference_steps", ()),
    "moderation": ("moderation has no effect: this service moderates nothing", ()),
    "input_fidelity": ("input_fidelity has no effect: input images are always used at full fidelity", ("high",)),
}
_OURS = "the same as in a request to /v1/jobs"
_WHOLE = "the model edits whole pictures: say in the prompt what to change"


@dataclass(frozen=True, slots=True)
class _Refused:
    """Marks a field of OpenAI's API that this service can't support. A request with any value except null in this field
    is refused with the reason.
    """

    why: str

    def __get_pydantic_core_schema__(self, _source: object, _handler: object) -> CoreSchema:
        return core_schema.no_info_plain_validator_function(self._check)

    def __get_pydantic_json_schema__(self, _schema: object, _handler: object) -> JsonSchemaValue:
        raise PydanticOmit  # clients can't use the field, so the OpenAPI document leaves it out

    def _check(self, value: object) -> None:
        if value is not None:
            raise PydanticCustomError("not_offered", "{why}", {"why": self.why})


def _without(refused: str) -> Callable[[dict[str, Any]], None]:
    """Returns a function that removes the value `refused` from a field's OpenAPI schema. This service always refuses
    that value.
    """

    def change(schema: dict[str, Any]) -> None:
        for kind in schema["anyOf"]:
            if "enum" in kind:
                kind["enum"] = [name for name in kind["enum"] if name != refused]

    return change


def _opaque(background: str | None) -> str | None:
    if background == "transparent":
        raise PydanticCustomError("transparent", "the model can't draw transparency: omit it or send opaque")
    return background


def _of_openai(style: object) -> object:
    """Returns the style unchanged if OpenAI has it. Any other style would be a wish for another picture."""
    if style not in (None, "vivid", "natural"):
        raise PydanticCustomError("style", "the model has no styles: describe the style in the prompt")
    return style


Style = Annotated[Literal["vivid", "natural"] | None, BeforeValidator(_of_openai)]


def _streamed(num_previews: int | None, info: ValidationInfo) -> int | None:
    if num_previews and not info.data.get("stream"):
        raise PydanticCustomError("not_streamed", "previews are sent only in a stream: set stream to true as well")
    return num_previews


def _within_events(is_stream: bool | None, info: ValidationInfo) -> bool | None:
    if is_stream and info.data.get("response_format") == "url":
        raise PydanticCustomError("stream_of_urls", "a stream contains the pictures: response_format must be b64_json")
    return is_stream


def _lossy(compression: int | None, info: ValidationInfo) -> int | None:
    if compression not in (None, 100) and info.data.get("output_format") in (None, OutputFormat.PNG):
        raise PydanticCustomError("lossless", "applies only to jpeg and webp, because png is lossless")
    return compression


class ImagesRequest(BaseModel):
    """The fields that requests for image generations and for image edits share, in OpenAI's format."""

    model_config = ConfigDict(hide_input_in_errors=True, extra="forbid", strict=True, frozen=True)

    prompt: Annotated[Text, AfterValidator(not_blank)] = Field(
        description="description of the picture; put text that should appear in the picture in quotes"
    )
    model: Text | None = Field(default=None, description="a name of the served model; may be left out")
    n: int | None = Field(
        default=None, ge=1, le=10, description="number of pictures; picture i (from 0) is rendered with seed + i"
    )
    size: Text | None = Field(
        default=None,
        description="auto, or width x height in multiples of 32; other sizes need `resize`. auto is the size of "
        "the first image in an edit, else 1024x1024",
    )
    quality: QualityName | None = Field(
        default=None,
        description="high, xhigh, max, hd, auto (the default) and exact compute what the reference pipeline "
        "computes; low, medium, standard and fast reuse parts of earlier denoise steps; balanced and few_steps are "
        "further ways to save time (docs/openai_images.md)",
    )
    background: Annotated[Literal["transparent", "opaque", "auto"] | None, AfterValidator(_opaque)] = Field(
        default=None, json_schema_extra=_without("transparent")
    )
    output_format: Annotated[OutputFormat, Field(strict=False)] | None = Field(
        default=None, description="file format; the default is png"
    )
    output_compression: Annotated[int | None, AfterValidator(_lossy)] = Field(
        default=None, ge=0, le=100, description="quality of jpeg and webp files; 100 is the best, the default is 90"
    )
    moderation: Literal["low", "auto"] | None = Field(default=None, description="accepted, but nothing is moderated")
    response_format: Literal["url", "b64_json"] | None = Field(
        default=None,
        description="form of the pictures in the response; default: b64_json, or url if `model` is a dall-e name",
    )
    style: Style = Field(default=None, description="accepted, but has no effect: describe the style in the prompt")
    complexity: Literal["low", "medium", "high"] | None = Field(
        default=None, description="accepted, but has no effect: use num_inference_steps"
    )
    input_fidelity: Literal["high", "low"] | None = Field(
        default=None, description="accepted, but low has no effect: input images are always used at full fidelity"
    )
    frame_count: Annotated[None, _Refused("pictures do not move")] = None
    frame_duration_ms: Annotated[None, _Refused("pictures do not move")] = None
    svg: Annotated[None, _Refused("pictures are png, jpeg or webp")] = None
    user: MetadataValue | None = Field(default=None, description="stored in the job's metadata")
    safety_identifier: MetadataValue | None = Field(
        default=None, description="stored in the job's metadata and returned in the response"
    )
    stream: Annotated[bool | None, AfterValidator(_within_events)] = Field(
        default=None, description="respond with events: each picture is sent when it is finished"
    )
    partial_images: Annotated[int | None, AfterValidator(_streamed)] = Field(
        default=None, ge=0, le=3, description="number of JPEG previews of each picture in the stream"
    )
    seed: int | None = Field(default=None, description=_OURS)
    num_inference_steps: int | None = Field(default=None, description=_OURS)
    guidance_scale: float | None = Field(default=None, description=_OURS)
    temperature: float | None = Field(default=None, description=_OURS)
    top_p: float | None = Field(default=None, description=_OURS)
    resize: bool | None = Field(default=None, description=_OURS)
    enhance_prompt: bool | None = Field(default=None, description=_OURS)
    reuse: bool | None = Field(default=None, description=_OURS)
    text_check: TextCheckRequest | None = Field(default=None, description=_OURS)
    embed_metadata: bool | None = Field(default=None, description=_OURS)
    visible_mark: bool | None = Field(default=None, description=_OURS)
    priority: str | None = Field(default=None, description=_OURS)
    start_timeout_s: float | None = Field(default=None, description=_OURS)
    execution_timeout_s: float | None = Field(default=None, description=_OURS)
    deadline: str | None = Field(default=None, description=_OURS)
    delete_after_s: int | None = Field(default=None, description=_OURS)
    metadata: dict[str, Any] | None = Field(default=None, description=_OURS)
    webhook_url: str | None = Field(default=None, description=_OURS)
    webhook_events: list[str] | None = Field(default=None, description=_OURS)
    webhook_payload: str | None = Field(default=None, description=_OURS)
    webhook_secret: str | None = Field(default=None, repr=False, description=_OURS)

    @property
    def wants_url(self) -> bool:
        """Returns whether the response has links. A name of the dall-e kind has that kind's default, which is links."""
        return (self.response_format or default_response_format(self.model)) == "url"

    def response_quality(self, rendered: Quality) -> str:
        """Returns the quality to state in an OpenAI response. `rendered` is the quality of the job: if OpenAI's
        responses can't have the requested quality, they state `high` for `exact` and `medium` for the others.
        """
        return self.quality if self.quality in _OPENAI_QUALITIES else _ANSWERED[rendered]

    @property
    def warnings(self) -> list[str]:
        """Returns a warning for each field of the request that has no effect."""
        sent = ((getattr(self, name), *about) for name, about in _IGNORED.items())
        return [text for value, text, usual in sent if value is not None and value not in usual]

    def fields_of_job(self) -> dict[str, Any]:
        """Returns the OpenAI request as fields for `JobRequest`, which validates them."""
        told = {"user": self.user, "safety_identifier": self.safety_identifier}
        fields = {
            "prompt": self.prompt,
            "size": None if self.size == "auto" else self.size,
            "n": self.n,
            "quality": None if self.quality in (None, "auto") else QUALITIES[self.quality],
            "output_format": self.output_format,
            "output_quality": None if self.output_compression is None else max(1, self.output_compression),
            "partial_images": self.partial_images,
            "metadata": {**(self.metadata or {}), **{name: value for name, value in told.items() if value}},
        }
        fields |= {name: getattr(self, name) for name in _AS_THEY_ARE}
        return {name: value for name, value in fields.items() if value is not None}


class GenerationRequest(ImagesRequest):
    """The body of POST /v1/images/generations."""


class ImageReference(BaseModel):
    """An image to edit: either a URL or the id of a file."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    image_url: Text | None = Field(default=None, description="https URL or data URL of the image")
    file_id: Text | None = None

    @model_validator(mode="after")
    def _is_one(self) -> Self:
        if (self.image_url is None) == (self.file_id is None):
            raise PydanticCustomError("image_reference", "give either image_url or file_id")
        return self

    @property
    def image_input(self) -> str:
        """Returns the image as text that `JobRequest.images` accepts: a URL or a file id."""
        image = self.image_url if self.file_id is None else self.file_id
        assert image is not None
        return image


class EditRequest(ImagesRequest):
    """The body of POST /v1/images/edits. In a multipart form, the images are files named `image` or `image[]`."""

    images: list[ImageReference] | None = None
    mask: Annotated[None, _Refused(_WHOLE)] = None
    markup: Annotated[None, _Refused(_WHOLE)] = None

    def fields_of_job(self) -> dict[str, Any]:
        """Returns the OpenAI request as fields for `JobRequest`, with the images to edit."""
        images = [image.image_input for image in self.images or ()]
        return {**super().fields_of_job(), **({"images": images} if images else {})}
