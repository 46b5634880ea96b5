"""Z.ai's image request and answers. What it has and this service has not is refused, never dropped."""

from enum import StrEnum
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field
from pydantic_core import PydanticCustomError

from shared.intake.types import Text
from shared.jobs.spec import Quality

MODEL = "glm-image"
_DEFAULT_SIZE = "1280x1280"
_QUALITIES = {"hd": Quality.EXACT, "standard": Quality.FAST}


class TaskStatus(StrEnum):
    """How Z.ai calls where a task stands."""

    PROCESSING = "PROCESSING"
    SUCCESS = "SUCCESS"
    FAIL = "FAIL"


def _no_watermark(wanted: bool | None) -> bool | None:
    if wanted:
        raise PydanticCustomError("watermark", "this service draws no watermarks: leave it out or send false")
    return wanted


class WordCheck(BaseModel):
    """Z.ai's check for sensitive words, which this service has not."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    type: Text = "ALL"
    status: Literal["DISABLE"] = Field(description="this service checks no words, so only DISABLE can be kept")


class ImageRequest(BaseModel):
    """A request in Z.ai's words. Unknown fields are refused; null leaves a field out."""

    model_config = ConfigDict(hide_input_in_errors=True, extra="forbid", strict=True, frozen=True)

    model: Text | None = Field(default=None, description=f"{MODEL}, or the served name")
    prompt: Text
    size: Text | None = Field(
        default=None,
        description=f"default {_DEFAULT_SIZE}; any size that the service renders, not only Z.ai's seven",
    )
    n: int | None = Field(default=None, ge=1)
    quality: Literal["hd", "standard"] | None = Field(default=None, description="hd: exact (default); standard: fast")
    response_format: Literal["url"] | None = Field(default=None, description="pictures are answered as links")
    style: None = Field(default=None, description="the model has no styles: say it in the prompt")
    user: Annotated[Text, Field(max_length=128)] | None = Field(default=None, description="the same as user_id")
    user_id: Annotated[Text, Field(min_length=6, max_length=128)] | None = Field(
        default=None, description="kept in the job's metadata"
    )
    request_id: Annotated[Text, Field(min_length=1, max_length=128)] | None = Field(
        default=None, description="answered as it came; an Idempotency-Key is what makes a request count once"
    )
    watermark_enabled: Annotated[bool | None, AfterValidator(_no_watermark)] = None
    sensitive_word_check: WordCheck | None = None

    def fields_of_job(self) -> dict[str, Any]:
        """The same request as fields of `JobRequest`."""
        told = {"user_id": self.user_id or self.user, "request_id": self.request_id}
        return {
            "prompt": self.prompt,
            "size": self.size or _DEFAULT_SIZE,
            "n": self.n or 1,
            "quality": _QUALITIES[self.quality or "hd"],
            "metadata": {name: value for name, value in told.items() if value},
        }


class ImageLink(BaseModel):
    """A picture."""

    url: str


class ImagesAnswer(BaseModel):
    """The pictures of a request that waited. `content_filter` is empty: nothing is filtered."""

    created: int
    data: list[ImageLink]
    content_filter: list[dict[str, Any]] = []


class TaskError(BaseModel):
    """Why a task failed."""

    code: str
    message: str


class TaskAnswer(BaseModel):
    """A task: `image_result` and `error` are left out until there is something to tell."""

    id: str
    model: str
    request_id: str
    task_status: TaskStatus
    image_result: list[ImageLink] | None = None
    error: TaskError | None = None
