"""OpenAI's image requests, translated to fields of `JobRequest`. Options that this service lacks are refused.

Every field of OpenAI's API is here, so that none is ignored silently. Null is the same as leaving a field out.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationInfo, model_validator
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, PydanticCustomError, core_schema

from shared.intake.types import MetadataValue, Text, not_blank
from shared.jobs.spec import OutputFormat, Quality

# low, medium, high, xhigh, max and auto are its own; standard and hd those of its earlier models; exact and fast ours.
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
    "auto": Quality.EXACT,
}
_ANSWERED_AS_ASKED = ("low", "medium", "high", "xhigh", "max")
_ANSWERED = {Quality.FAST: "medium", Quality.EXACT: "high"}

QualityName = Literal["low", "medium", "high", "xhigh", "max", "auto", "standard", "hd", "exact", "fast"]

# Ours, with the same name and meaning as in a native request, which checks their ranges.
_AS_THEY_ARE = (
    "seed",
    "num_inference_steps",
    "guidance_scale",
    "temperature",
    "top_p",
    "resize",
    "enhance_prompt",
    "embed_metadata",
    "priority",
    "start_timeout_s",
    "execution_timeout_s",
    "deadline",
    "webhook_url",
    "webhook_events",
    "webhook_payload",
    "webhook_secret",
)
_OURS = "the same as in a request to /v1/jobs"
_WHOLE = "the model edits whole pictures: say in the prompt what to change"


@dataclass(frozen=True, slots=True)
class _Refused:
    """Marks a field that this service can't honour: any value but null is refused with the reason."""

    why: str

    def __get_pydantic_core_schema__(self, _source: object, _handler: object) -> CoreSchema:
        return core_schema.no_info_plain_validator_function(self._check)

    def __get_pydantic_json_schema__(self, _schema: object, _handler: object) -> JsonSchemaValue:
        return {"type": "null", "description": f"refused: {self.why}"}

    def _check(self, value: object) -> None:
        if value is not None:
            raise PydanticCustomError("not_offered", "{why}", {"why": self.why})


def _without(refused: str) -> Callable[[dict[str, Any]], None]:
    """Changes a field's schema for the OpenAPI document: removes a value that is accepted in type but always
    refused.
    """

    def change(schema: dict[str, Any]) -> None:
        for kind in schema["anyOf"]:
            if "enum" in kind:
                kind["enum"] = [name for name in kind["enum"] if name != refused]

    return change


def _opaque(background: str | None) -> str | None:
    if background == "transparent":
        raise PydanticCustomError("transparent", "the model draws no transparency: leave it out or send opaque")
    return background


def _whole_images(fidelity: str | None) -> str | None:
    if fidelity == "low":
        raise PydanticCustomError("fidelity", "images always count in full: leave it out or send high")
    return fidelity


def _streamed(num_previews: int | None, info: ValidationInfo) -> int | None:
    if num_previews and not info.data.get("stream"):
        raise PydanticCustomError("not_streamed", "previews are of a stream: send stream, too")
    return num_previews


def _within_events(is_stream: bool | None, info: ValidationInfo) -> bool | None:
    if is_stream and info.data.get("response_format") == "url":
        raise PydanticCustomError("stream_of_urls", "a stream holds its pictures: response_format is b64_json")
    return is_stream


def _lossy(compression: int | None, info: ValidationInfo) -> int | None:
    if compression not in (None, 100) and info.data.get("output_format") in (None, OutputFormat.PNG):
        raise PydanticCustomError("lossless", "of jpeg and webp: a png loses nothing")
    return compression


class ImagesRequest(BaseModel):
    """The fields that generations and edits share."""

    model_config = ConfigDict(hide_input_in_errors=True, extra="forbid", strict=True, frozen=True)

    prompt: Annotated[Text, AfterValidator(not_blank)] = Field(description="text to be drawn goes in quotes")
    model: Text | None = Field(default=None, description="the served name, or nothing")
    n: int | None = Field(default=None, ge=1, le=10, description="pictures; picture i is drawn with seed + i")
    size: Text | None = Field(
        default=None,
        description="auto, or width x height in multiples of 32; others with `resize`. auto: of an edit its first "
        "image's size, else 1024x1024",
    )
    quality: QualityName | None = Field(
        default=None,
        description="high, xhigh, max, hd, auto and exact, the default: what the reference computes; low, medium, "
        "standard and fast: reuses parts of earlier denoise steps",
    )
    background: Annotated[Literal["transparent", "opaque", "auto"] | None, AfterValidator(_opaque)] = Field(
        default=None, json_schema_extra=_without("transparent")
    )
    output_format: Annotated[OutputFormat, Field(strict=False)] | None = Field(default=None, description="default: png")
    output_compression: Annotated[int | None, AfterValidator(_lossy)] = Field(
        default=None, ge=0, le=100, description="quality of jpeg and webp, 100 the best; default 90"
    )
    moderation: Literal["low", "auto"] | None = Field(default=None, description="nothing is moderated, either way")
    response_format: Literal["url", "b64_json"] | None = Field(default=None, description="default: b64_json")
    style: Annotated[None, _Refused("the model has no styles: say it in the prompt")] = None
    complexity: Annotated[None, _Refused("the model does not plan: there is num_inference_steps")] = None
    frame_count: Annotated[None, _Refused("pictures do not move")] = None
    frame_duration_ms: Annotated[None, _Refused("pictures do not move")] = None
    svg: Annotated[None, _Refused("pictures are png, jpeg or webp")] = None
    user: MetadataValue | None = Field(default=None, description="kept in the job's metadata")
    safety_identifier: MetadataValue | None = Field(default=None, description="kept in the job's metadata, answered")
    stream: Annotated[bool | None, AfterValidator(_within_events)] = Field(
        default=None, description="answer with events, the pictures as they are finished"
    )
    partial_images: Annotated[int | None, AfterValidator(_streamed)] = Field(
        default=None, ge=0, le=3, description="previews in the stream, in JPEG, of each picture"
    )
    seed: int | None = Field(default=None, description=_OURS)
    num_inference_steps: int | None = Field(default=None, description=_OURS)
    guidance_scale: float | None = Field(default=None, description=_OURS)
    temperature: float | None = Field(default=None, description=_OURS)
    top_p: float | None = Field(default=None, description=_OURS)
    resize: bool | None = Field(default=None, description=_OURS)
    enhance_prompt: bool | None = Field(default=None, description=_OURS)
    embed_metadata: bool | None = Field(default=None, description=_OURS)
    priority: str | None = Field(default=None, description=_OURS)
    start_timeout_s: float | None = Field(default=None, description=_OURS)
    execution_timeout_s: float | None = Field(default=None, description=_OURS)
    deadline: str | None = Field(default=None, description=_OURS)
    metadata: dict[str, Any] | None = Field(default=None, description=_OURS)
    webhook_url: str | None = Field(default=None, description=_OURS)
    webhook_events: list[str] | None = Field(default=None, description=_OURS)
    webhook_payload: str | None = Field(default=None, description=_OURS)
    webhook_secret: str | None = Field(default=None, repr=False, description=_OURS)

    @property
    def wants_url(self) -> bool:
        return self.response_format == "url"

    @property
    def answered_quality(self) -> str:
        """The quality of the response, as a value that OpenAI's responses may have."""
        asked = self.quality or "auto"
        return asked if asked in _ANSWERED_AS_ASKED else _ANSWERED[QUALITIES[asked]]

    def fields_of_job(self) -> dict[str, Any]:
        """Returns the request as fields of `JobRequest`, which still validates them."""
        told = {"user": self.user, "safety_identifier": self.safety_identifier}
        fields = {
            "prompt": self.prompt,
            "size": None if self.size == "auto" else self.size,
            "n": self.n,
            "quality": QUALITIES[self.quality or "auto"],
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
    """A picture to edit: either a URL or the id of a file."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    image_url: Text | None = Field(default=None, description="https, or a data URL")
    file_id: Text | None = None

    @model_validator(mode="after")
    def _is_one(self) -> Self:
        if (self.image_url is None) == (self.file_id is None):
            raise PydanticCustomError("image_reference", "give either image_url or file_id")
        return self

    @property
    def image_input(self) -> str:
        """Returns the picture as `JobRequest.images` takes it."""
        image = self.image_url if self.file_id is None else self.file_id
        assert image is not None
        return image


class EditRequest(ImagesRequest):
    """The body of POST /v1/images/edits. In a form the images are files, named `image` or `image[]`."""

    images: list[ImageReference] | None = None
    input_fidelity: Annotated[Literal["high", "low"] | None, AfterValidator(_whole_images)] = Field(
        default=None, json_schema_extra=_without("low")
    )
    mask: Annotated[None, _Refused(_WHOLE)] = None
    markup: Annotated[None, _Refused(_WHOLE)] = None

    def fields_of_job(self) -> dict[str, Any]:
        """See the base class."""
        images = [image.image_input for image in self.images or ()]
        return {**super().fields_of_job(), **({"images": images} if images else {})}
