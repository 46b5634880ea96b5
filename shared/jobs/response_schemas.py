"""The shape of the job object that API responses and webhooks contain."""

from contextlib import suppress
from datetime import UTC, datetime
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, PlainSerializer, WithJsonSchema

from shared.jobs.enhancement import EnhancementStatus
from shared.jobs.job import Place
from shared.jobs.spec import OutputFormat, Priority, Quality
from shared.jobs.states import JobStatus, RenderState, Stage
from shared.webhooks.events import PayloadStyle


def rfc3339(moment: datetime) -> str:
    """Returns the time in UTC with milliseconds and `Z`. Outside UTC's years 1 to 9999 it keeps its own offset."""
    with suppress(OverflowError):  # 9999-12-31T23:59:59-23:59 was once taken as a deadline
        moment = moment.astimezone(UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


Moment = Annotated[
    datetime, PlainSerializer(rfc3339, return_type=str), WithJsonSchema({"type": "string", "format": "date-time"})
]


_ALL_ANSWERED = ConfigDict(json_schema_serialization_defaults_required=True)


class ErrorAnswer(BaseModel):
    """Why a render failed or expired. `code` is stable; `stage` is null when it was in none."""

    model_config = _ALL_ANSWERED

    code: str
    message: str
    stage: str | None = None
    retryable: bool = False


class Timings(BaseModel):
    """Seconds that a render's last attempt took in each stage; null until the stage is finished."""

    ar_s: float | None
    dit_s: float | None


class StepsAnswer(BaseModel):
    """The progress of a picture within its current stage: steps done and steps in all."""

    done: int
    total: int


class ImageAnswer(BaseModel):
    """One picture of a job. The fields of its file are null until it has succeeded; `progress` is null unless it runs.

    `attempts` counts how often a worker started it, in either stage. `ended_in` is the stage in which it was cancelled,
    expired or failed, or `before_start`.
    """

    index: int
    status: RenderState
    progress: StepsAnswer | None
    seed: int
    width: int
    height: int
    url: str | None
    grid_url: str | None
    sha256: str | None
    bytes: int | None
    content_type: str | None
    ended_in: Place | None
    error: ErrorAnswer | None
    attempts: int
    timings: Timings


class EnhancementErrorAnswer(BaseModel):
    """Why a prompt was not enhanced. `code` is stable."""

    code: str
    message: str


class EnhancementAnswer(BaseModel):
    """The outcome of `enhance_prompt`. When it failed, the pictures are made from the original prompt."""

    status: EnhancementStatus
    error: EnhancementErrorAnswer | None


class QueueAnswer(BaseModel):
    """The place of a job's waiting pictures in the queue. `position` counts the pictures of all callers before its
    first.

    `eta_s` estimates the seconds until its last picture is finished, from the recent rate; null when no rate was
    measured. `unserved` lists the stages for which no worker with the job's model is running.
    """

    stage: Stage
    position: int
    eta_s: float | None
    unserved: list[Stage]


class PriorAnswer(BaseModel):
    """The picture whose token grid this job decodes again."""

    job_id: str
    index: int


class Links(BaseModel):
    """URLs of the job, its events and what else can be done with it."""

    self: str
    cancel: str
    retry: str
    events: str


class JobAnswer(BaseModel):
    """A job: its state, its pictures and the request.

    `stage` is null while the job is queued and once it is final. `progress` goes from 0 to 1: all pictures have the
    same weight, as have the two stages of a picture and the steps of a stage. `eta_s` estimates the seconds until the
    job has ended, from what pictures took lately; null once it has, while nothing was measured, and in lists. `queue`
    is null when no picture waits and in lists. `waiting_for` names a store that is down and without which finished
    pictures can't be stored; it appears wherever `queue` may. `rendered_size` is the size that the model rendered;
    `width` and `height` are those of the finished picture.
    """

    model_config = _ALL_ANSWERED

    id: str
    object: Literal["job"] = "job"
    status: JobStatus
    stage: Stage | None
    progress: float
    eta_s: float | None
    queue: QueueAnswer | None
    waiting_for: Literal["object_store"] | None
    images: list[ImageAnswer]
    error: ErrorAnswer | None
    model: str
    revision: str | None
    prompt: str
    revised_prompt: str | None
    enhancement: EnhancementAnswer | None
    width: int
    height: int
    rendered_size: str
    prior: PriorAnswer | None
    n: int
    seed: int
    num_inference_steps: int
    guidance_scale: float
    quality: Quality
    temperature: float | None
    top_p: float | None
    num_condition_images: int
    output_format: OutputFormat
    output_quality: int
    embed_metadata: bool
    priority: Priority
    partial_images: int
    enhance_prompt: bool
    start_timeout_s: float | None
    execution_timeout_s: float | None
    deadline: Moment | None
    metadata: dict[str, str]
    webhook_url: str | None
    webhook_events: list[str]
    webhook_payload: PayloadStyle | None
    created_at: Moment
    started_at: Moment | None
    finished_at: Moment | None
    links: Links
