"""Schemas of Z.ai's image requests and responses. A feature that this service lacks is refused, or leads to a warning
if it would not change the picture's meaning.
"""

from enum import StrEnum
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from shared.intake.openai import STYLE_WARNING, Style
from shared.intake.request import TextCheckRequest
from shared.intake.types import Text
from shared.jobs.spec import Quality
from shared.models.names import SHORT_NAME
from shared.responses.schemas import ReusedFrom, TextCheckResponse

_DEFAULT_SIZE = "1280x1280"
_QUALITIES = {"hd": Quality.EXACT, "standard": Quality.FAST}


class TaskStatus(StrEnum):
    """The status of a task in Z.ai's API."""

    PROCESSING = "PROCESSING"
    SUCCESS = "SUCCESS"
    FAIL = "FAIL"


class WordCheck(BaseModel):
    """Z.ai's check for sensitive words, which this service does not have. It can only be disabled."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    type: Text = "ALL"
    status: Literal["DISABLE"] = Field(description="only DISABLE, since this service does not check words")


class ImageRequest(BaseModel):
    """A request for pictures in Z.ai's format.

    An unknown field is an error. A field that is null counts as left out.
    """

    model_config = ConfigDict(hide_input_in_errors=True, extra="forbid", strict=True, frozen=True)

    model: Text | None = Field(
        default=None, description=f"{SHORT_NAME}, or a name of the model that this service is configured with"
    )
    prompt: Text
    size: Text | None = Field(
        default=None,
        description=f"default {_DEFAULT_SIZE}; any size that this service renders, not only the seven sizes of Z.ai",
    )
    n: int | None = Field(default=None, ge=1)
    quality: Literal["hd", "standard"] | None = Field(default=None, description="hd: exact (default); standard: fast")
    response_format: Literal["url"] | None = Field(default=None, description="pictures are always returned as links")
    style: Style = Field(default=None, description="accepted, but has no effect: describe the style in the prompt")
    user: Annotated[Text, Field(max_length=128)] | None = Field(
        default=None, description="the same as user_id, which takes precedence"
    )
    user_id: Annotated[Text, Field(min_length=6, max_length=128)] | None = Field(
        default=None, description="stored in the job's metadata"
    )
    request_id: Annotated[Text, Field(min_length=1, max_length=128)] | None = Field(
        default=None,
        description="returned unchanged in the response. It does not make a request idempotent: use Idempotency-Key",
    )
    watermark_enabled: bool | None = Field(
        default=None,
        description="draw a visible mark into the pictures: the same as visible_mark in a request to /v1/jobs",
    )
    sensitive_word_check: WordCheck | None = None
    text_check: TextCheckRequest | None = Field(default=None, description="the same as in a request to /v1/jobs")

    @property
    def warnings(self) -> list[str]:
        """Returns a warning for each field of the request that has no effect."""
        return [] if self.style is None else [STYLE_WARNING]

    def fields_of_job(self) -> dict[str, Any]:
        """Converts this request to the fields of a `JobRequest`, the request in the service's own format."""
        metadata = {"user_id": self.user_id or self.user, "request_id": self.request_id}
        return {
            "model": self.model,
            "prompt": self.prompt,
            "size": self.size or _DEFAULT_SIZE,
            "n": self.n or 1,
            **({"quality": _QUALITIES[self.quality]} if self.quality else {}),
            "text_check": self.text_check,
            "visible_mark": self.watermark_enabled or False,
            "metadata": {name: value for name, value in metadata.items() if value},
        }


class ImageLink(BaseModel):
    """A link to a finished picture.

    `text_check` is the result of the text check, and `reused_from` the earlier picture that was copied because of
    `reuse` in a request to /v1/jobs. Both are left out if the picture has none.
    """

    url: str
    text_check: TextCheckResponse | None = None
    reused_from: ReusedFrom | None = None


class ImagesResponse(BaseModel):
    """The response to a request that waited for its pictures, in Z.ai's format. `content_filter` is always empty.

    `warnings` is left out if there are none.
    """

    created: int
    data: list[ImageLink]
    content_filter: list[dict[str, Any]] = []
    warnings: list[str] | None = None


class TaskError(BaseModel):
    """The reason why a task failed."""

    code: str
    message: str


class TaskResponse(BaseModel):
    """A job as a task in Z.ai's format.

    `image_result` is left out until the job has ended with pictures. `error` is left out unless the task has failed.
    `warnings` is only in the response that creates the task, about fields of the request that have no effect.
    """

    id: str
    model: str
    request_id: str
    task_status: TaskStatus
    image_result: list[ImageLink] | None = None
    error: TaskError | None = None
    warnings: list[str] | None = None
