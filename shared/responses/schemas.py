"""Defines the schema of the job object in API responses and webhooks."""

from contextlib import suppress
from datetime import UTC, datetime
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, PlainSerializer, WithJsonSchema

from shared.jobs.bucket_copy import CopyStatus
from shared.jobs.enhancement import EnhancementStatus
from shared.jobs.job import EndedIn
from shared.jobs.pauses import PauseKind
from shared.jobs.spec import OutputFormat, Priority, Quality
from shared.jobs.states import JobStatus, RenderState, Stage
from shared.webhooks.events import PayloadStyle


def rfc3339(moment: datetime) -> str:
    """Returns the time as RFC 3339 text in UTC with milliseconds and `Z`.

    A time whose UTC form lies outside the years 1 to 9999 keeps its own offset.
    """
    with suppress(OverflowError):  # earlier releases accepted the deadline 9999-12-31T23:59:59-23:59
        moment = moment.astimezone(UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


Moment = Annotated[
    datetime, PlainSerializer(rfc3339, return_type=str), WithJsonSchema({"type": "string", "format": "date-time"})
]


_ALL_FIELDS_REQUIRED = ConfigDict(json_schema_serialization_defaults_required=True)


class PolicyResponse(BaseModel):
    """What the operator's content policy says about a refused prompt or picture. Both fields may be null."""

    model_config = _ALL_FIELDS_REQUIRED

    code: str | None = None
    reason: str | None = None


class RenderErrorResponse(BaseModel):
    """The error of a render that failed, expired or was rejected. `code` is stable. `stage` is null if the render was
    in no stage. `policy` is null unless the render was rejected by the operator's content policy.
    """

    model_config = _ALL_FIELDS_REQUIRED

    code: str
    message: str
    stage: str | None = None
    retryable: bool = False
    policy: PolicyResponse | None = None


class TextCheckErrorResponse(BaseModel):
    """The reason why the text in a picture was not read. `code` is stable."""

    code: str
    message: str


class TextCheckResponse(BaseModel):
    """The result of the text check of a picture. `matches` says whether the picture shows each quoted word. `read` is
    the text that was read. `edit_distance` is 0 if each quoted text is spelled exactly, and 1 if nothing of any was
    found. The three are null if the text could not be read. `redraws` is how often the picture was drawn again.
    """

    model_config = _ALL_FIELDS_REQUIRED

    matches: bool | None
    edit_distance: float | None
    read: str | None
    redraws: int
    error: TextCheckErrorResponse | None


class Timings(BaseModel):
    """Seconds that the last attempt of a render took in each stage. Null until the stage is finished."""

    ar_s: float | None
    dit_s: float | None


class StepsResponse(BaseModel):
    """The progress of a picture in its current stage: finished steps and total steps."""

    done: int
    total: int


class ReusedFrom(BaseModel):
    """The picture of an equal request that was copied instead of a new render."""

    job_id: str
    index: int


class ImageResponse(BaseModel):
    """One picture of a job. `url`, `sha256`, `bytes` and `content_type` are null until the picture has succeeded.
    `progress` is null unless a worker is rendering the picture.

    `attempts` is how often workers have tried to render the picture: 1 if nothing goes wrong, and one more for each
    repetition of a stage. `ended_in` is the stage in which the picture was cancelled, expired, failed or was
    rejected. It is `before_start` if no stage had begun.

    `reused_from` is the earlier picture that was copied because the request has `reuse`; null if the picture was
    rendered.

    `text_check` is the result of the text check. It is null unless the job has one and the picture has succeeded.
    `seed` is then the seed of the drawing that was kept.
    """

    model_config = _ALL_FIELDS_REQUIRED

    index: int
    status: RenderState
    progress: StepsResponse | None
    seed: int
    width: int
    height: int
    url: str | None
    grid_url: str | None
    sha256: str | None
    bytes: int | None
    content_type: str | None
    ended_in: EndedIn | None
    error: RenderErrorResponse | None
    attempts: int
    timings: Timings
    reused_from: ReusedFrom | None
    text_check: TextCheckResponse | None = None  # earlier releases have no text checks


class EnhancementErrorResponse(BaseModel):
    """The reason why a prompt was not enhanced. `code` is stable."""

    code: str
    message: str


class EnhancementResponse(BaseModel):
    """The outcome of `enhance_prompt`. If it failed, the pictures are rendered from the original prompt."""

    status: EnhancementStatus
    error: EnhancementErrorResponse | None


class QueueResponse(BaseModel):
    """The place of a job's waiting pictures in the queue. `position` counts the pictures of all callers that go before
    the first waiting picture of this job.

    `eta_s` estimates the seconds until the job's last picture is finished. It is null until enough pictures were
    measured. `unserved` lists the stages for which no worker with the job's model is running that can render it.

    `reason` says why the job waits if workers with its model are running, but the picture is too large for all of them.
    It is null otherwise.
    """

    model_config = _ALL_FIELDS_REQUIRED

    stage: Stage
    position: int
    eta_s: float | None
    unserved: list[Stage]
    reason: str | None = None  # earlier releases have no reasons


class PauseResponse(BaseModel):
    """A pause by an operator, because of which the job waits. `kind` says what is paused: a stage, a class, the tenant
    or a model revision.
    """

    kind: PauseKind
    name: str
    reason: str
    since: Moment


class PriorResponse(BaseModel):
    """The picture whose token grid this job decodes again."""

    job_id: str
    index: int


class TextCheckAsked(BaseModel):
    """The text check that the request asks for."""

    redraws: int


class BucketCopyResponse(BaseModel):
    """The copy of a job or batch in the bucket of its tenant. The webhook about its end is sent when it has ended.

    `location` is the URI of the folder with the copies, once the status is `copied`. `error` says why it has failed.
    """

    status: CopyStatus
    location: str | None
    error: str | None


class JobLinks(BaseModel):
    """The URLs of the job, of its events, and of the actions on the job."""

    self: str
    cancel: str
    retry: str
    events: str


class JobResponse(BaseModel):
    """A job: its state, its pictures and the request.

    `stage` is null while the job is queued and after it has ended. `progress` goes from 0 to 1. Each picture of the job
    has an equal part of it, and each stage has half of a picture's part.

    `eta_s` estimates the seconds until the job ends, from recently measured pictures. It is null after the job's end,
    while nothing is measured, and in lists.

    `queue` is the job's place in the queue. It is null while no picture waits, and in lists.

    `waiting_for` is `object_store` while the object store is unreachable, so that finished pictures can't be stored. It
    is null otherwise, after the job's end, and in lists.

    `paused` tells why the job waits, if an operator has paused what it needs. The job does not fail, and `eta_s` is
    null. `paused` is null otherwise, and in lists.

    `rendered_size` is the size that the model rendered. `width` and `height` are the size of the finished picture.

    `visible_mark` says whether the pictures have a visible mark. `text_check` is null unless the text in the pictures
    is checked.

    `canary` says whether the job belongs to the share of new jobs that an operator gives to a model revision on trial.
    `revision` is null until a worker has started the job.

    `bucket_copy` tells about the copy in the bucket of your own. It is null before the job's end, and without a bucket.
    """

    model_config = _ALL_FIELDS_REQUIRED

    id: str
    object: Literal["job"] = "job"
    status: JobStatus
    stage: Stage | None
    progress: float
    eta_s: float | None
    queue: QueueResponse | None
    waiting_for: Literal["object_store"] | None
    paused: PauseResponse | None = None  # earlier releases have no pauses
    images: list[ImageResponse]
    error: RenderErrorResponse | None
    model: str
    revision: str | None
    canary: bool = False  # earlier releases have no canary shares
    bucket_copy: BucketCopyResponse | None = None  # earlier releases have no buckets of tenants
    prompt: str
    revised_prompt: str | None
    enhancement: EnhancementResponse | None
    width: int
    height: int
    rendered_size: str
    prior: PriorResponse | None
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
    visible_mark: bool = False  # earlier releases have no marks, and this schema also reads their responses
    priority: Priority
    partial_images: int
    enhance_prompt: bool
    reuse: bool
    text_check: TextCheckAsked | None = None  # earlier releases have no text checks
    start_timeout_s: float | None
    execution_timeout_s: float | None
    deadline: Moment | None
    delete_after_s: int | None
    delete_at: Moment | None
    metadata: dict[str, str]
    webhook_url: str | None
    webhook_events: list[str]
    webhook_payload: PayloadStyle | None
    created_at: Moment
    started_at: Moment | None
    finished_at: Moment | None
    links: JobLinks
