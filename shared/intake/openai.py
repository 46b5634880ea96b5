"""OpenAI's requests for images, in the fields of `JobRequest`. What it has and this service has not is refused.

Every field of the API is here, so that none is dropped without a word. Null leaves a field out, as not sending it does.
"""

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator
from pydantic_core import PydanticCustomError
from typing_extensions import Self

from shared.intake.types import MetadataValue, Text, not_blank
from shared.jobs import OutputFormat, Quality

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


def _refused(why: str) -> Any:
    """A field that may be null or left out, and says why it can't be kept."""

    def refuse(value: object) -> None:
        if value is not None:
            raise PydanticCustomError("not_offered", "{why}", {"why": why})

    return Annotated[Any, AfterValidator(refuse), Field(default=None, description=f"refused: {why}")]


def _opaque(background: str | None) -> str | None:
    if background == "transparent":
        raise PydanticCustomError("transparent", "the model draws no transparency: leave it out or send opaque")
    return background


def _whole_images(fidelity: str | None) -> str | None:
    if fidelity == "low":
        raise PydanticCustomError("fidelity", "images always count in full: leave it out or send high")
    return fidelity


_Undrawn = _refused("the model has no styles: say it in the prompt")
_Unplanned = _refused("the model does not plan: there is num_inference_steps")
_Unmoving = _refused("the pictures are png, jpeg and webp, and do not move")
_Undrawable = _refused("the pictures are png, jpeg and webp")


class ImagesRequest(BaseModel):
    """What generations and edits have in common."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

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
    background: Annotated[Literal["transparent", "opaque", "auto"] | None, AfterValidator(_opaque)] = None
    output_format: Annotated[OutputFormat, Field(strict=False)] | None = Field(default=None, description="default: png")
    output_compression: int | None = Field(
        default=None, ge=0, le=100, description="quality of jpeg and webp, 100 the best; default 90"
    )
    moderation: Literal["low", "auto"] | None = Field(default=None, description="nothing is moderated, either way")
    response_format: Literal["url", "b64_json"] | None = Field(default=None, description="default: b64_json")
    style: _Undrawn
    complexity: _Unplanned
    frame_count: _Unmoving
    frame_duration_ms: _Unmoving
    svg: _Undrawable
    user: MetadataValue | None = Field(default=None, description="kept in the job's metadata")
    safety_identifier: MetadataValue | None = Field(default=None, description="kept in the job's metadata, answered")
    stream: bool | None = Field(default=None, description="answer with events, the pictures as they are finished")
    partial_images: int | None = Field(
        default=None, ge=0, le=3, description="previews in the stream, for each picture; JPEG at a quarter of the size"
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

    @model_validator(mode="after")
    def _agrees_with_itself(self) -> Self:
        if self.partial_images and not self.stream:
            raise PydanticCustomError("partial_images", "partial_images are of a stream: send stream, too")
        if self.stream and self.response_format == "url":
            raise PydanticCustomError("response_format", "a stream holds its pictures: response_format is b64_json")
        if self.output_compression not in (None, 100) and self.output_format in (None, OutputFormat.PNG):
            raise PydanticCustomError("output_compression", "output_compression is of jpeg and webp: png loses nothing")
        return self

    @property
    def wants_url(self) -> bool:
        return self.response_format == "url"

    @property
    def answered_quality(self) -> str:
        """In a word that OpenAI's answers may have."""
        asked = self.quality or "auto"
        return asked if asked in _ANSWERED_AS_ASKED else _ANSWERED[QUALITIES[asked]]

    def fields_of_job(self) -> dict[str, Any]:
        """The same request as fields of `JobRequest`, which is yet to validate them."""
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
    """A picture to edit: its URL or the id of a file, one of the two."""

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
        """As `JobRequest.images` has it."""
        image = self.image_url if self.file_id is None else self.file_id
        assert image is not None
        return image


class EditRequest(ImagesRequest):
    """The body of POST /v1/images/edits. In a form the images are files, named `image` or `image[]`."""

    images: list[ImageReference] | None = None
    input_fidelity: Annotated[Literal["high", "low"] | None, AfterValidator(_whole_images)] = None
    mask: _refused("the model edits whole pictures: say in the prompt what to change")  # type: ignore[valid-type]
    markup: _refused("the model edits whole pictures: say in the prompt what to change")  # type: ignore[valid-type]

    def fields_of_job(self) -> dict[str, Any]:
        """See the base class."""
        images = [image.image_input for image in self.images or ()]
        return {**super().fields_of_job(), **({"images": images} if images else {})}
