"""Schemas of responses that routes build without a model."""

from pydantic import BaseModel, Field

from shared.jobs.response_schemas import JobAnswer
from shared.openai.responses import ImagesHead
from shared.store.core.durability import Durability


class JobPage(BaseModel):
    """A page of jobs. `next` is the `after` of the next page."""

    data: list[JobAnswer]
    has_more: bool
    next: str | None


class Secret(BaseModel):
    """A webhook secret as the Standard Webhooks libraries take it."""

    secret: str


class JsonWebKeys(BaseModel):
    """A JSON Web Key Set (RFC 7517)."""

    keys: list[dict[str, str]]


class Alive(BaseModel):
    """The process is running."""

    status: str


class StageHealth(BaseModel):
    """Live workers of a stage, the pictures that they hold at once, and what waits for a revision without workers."""

    workers: int
    slots: int
    unserved: dict[str, int] | None = Field(
        default=None, description="left out for who sends no key; '' is any revision"
    )


class Health(BaseModel):
    """`ok`, or what is missing. `intake`: whether new jobs are accepted; `durability`: what a 202 guarantees."""

    status: str
    checks: dict[str, str]
    intake: str
    stages: dict[str, StageHealth] | None
    access: str | None = Field(description="open: no API key was created yet; keys: one is needed; null: unknown")
    durability: Durability
    enhance_prompt: str = Field(description="on or off")
    deaf: dict[str, int] = Field(
        description="live workers, by queue, that ask for no work; where all of a queue are, `status` is `degraded`"
    )
    stalled: list[str] = Field(
        description="stages in which pictures wait that live workers could take, slots are free, and none was claimed "
        "for 30 s; then `status` is `degraded`"
    )


class ImageDone(BaseModel):
    """A picture: its bytes in base64, or a link that expires."""

    b64_json: str | None = None
    url: str | None = None
    revised_prompt: str | None = None


class ImagesDone(ImagesHead):
    """The response of OpenAI's image routes. Fields that are null are left out."""

    data: list[ImageDone]


class ModelAnswer(BaseModel):
    """A model in OpenAI's format."""

    id: str
    object: str
    created: int
    owned_by: str


class ModelPage(BaseModel):
    """All models."""

    object: str
    data: list[ModelAnswer]


class OpenAi(BaseModel):
    """The error fields that OpenAI's clients read, and whether a retry can help."""

    message: str
    type: str
    param: str | None = Field(description="the field that is wrong")
    code: str
    retryable: bool


class OpenAiError(BaseModel):
    """An error in OpenAI's format."""

    error: OpenAi


class Zai(BaseModel):
    """The error fields that Z.ai's clients read, and ours beside them."""

    code: str = Field(description="Z.ai's number")
    message: str
    reason: str = Field(description="our own stable code")
    field: str | None
    retryable: bool


class ZaiError(BaseModel):
    """An error in Z.ai's format."""

    error: Zai
