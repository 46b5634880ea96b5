"""A job as clients read it: the API's answers and the webhooks' data. Never a presigned URL, never a secret."""

from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC, datetime
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, PlainSerializer, WithJsonSchema

from shared.enhancement import Enhancement, EnhancementStatus
from shared.job_spec import OutputFormat, Priority, Quality
from shared.jobs import Job, Place, Render
from shared.pace import QueuePlace
from shared.states import JobStatus, RenderState, Stage
from shared.webhooks.events import PayloadStyle


def rfc3339(moment: datetime) -> str:
    """UTC with milliseconds and `Z`; in its own offset where UTC has no such year."""
    with suppress(OverflowError):  # 9999-12-31T23:59:59-23:59 was once taken as a deadline
        moment = moment.astimezone(UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


Moment = Annotated[
    datetime, PlainSerializer(rfc3339, return_type=str), WithJsonSchema({"type": "string", "format": "date-time"})
]


_ANSWERED_OTHERWISE = {"width_px", "height_px", "crop_width_px", "crop_height_px", "images"}
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
    """Steps done of the stage that a picture is in, and how many there are."""

    done: int
    total: int


class ImageAnswer(BaseModel):
    """One picture of a job. What describes its file is null until it has succeeded, `progress` unless it runs.

    `attempts`: how often a worker began it, in either stage. `ended_in` tells where a picture was when it was
    cancelled, expired or failed: before its start, or in which stage.
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
    """Why a prompt was drawn as it was sent. `code` is stable."""

    code: str
    message: str


class EnhancementAnswer(BaseModel):
    """What became of `enhance_prompt`. When it failed, the pictures are drawn from the prompt as it was sent."""

    status: EnhancementStatus
    error: EnhancementErrorAnswer | None


class QueueAnswer(BaseModel):
    """Where the pictures of a job that wait stand. `position`: pictures of all callers that go before its first one.

    `eta_s`: seconds until the last of them is finished, as fast as pictures were made of late; null while nothing was
    measured. `unserved`: stages before it for which no worker of its model lives; it waits until one comes.
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
    """Where to go from here."""

    self: str
    cancel: str
    retry: str
    events: str


class JobAnswer(BaseModel):
    """A job: where it stands, its pictures, and the request that it answers.

    `stage` is null while the job is queued and once it is final. `progress` goes from 0 to 1: every picture weighs
    the same, and so do the two stages of a picture; within a stage, every step does. `queue` is null when nothing of it
    waits, in lists, and in a 202 that was not waited for. `waiting_for` names what finished pictures can't be stored
    without, where `queue` would be told. `rendered_size` is what the model drew; `width` and `height` are the finished
    picture's.
    """

    model_config = _ALL_ANSWERED

    id: str
    object: Literal["job"] = "job"
    status: JobStatus
    stage: Stage | None
    progress: float
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


def job_answer(
    job: Job, public_url: str, model: str, place: QueuePlace | None = None, *, is_writable: bool = True
) -> dict[str, Any]:
    """The job as plain JSON values, its links under `public_url`. `model` is the name under which it is served.

    `is_writable`: whether finished pictures can be stored now.
    """
    link = f"{public_url.rstrip('/')}/v1/jobs/{job.job_id}"
    settings, spec = job.spec.settings, job.spec
    width, height = settings.delivered_size
    answer = JobAnswer(
        id=job.job_id,
        status=job.status,
        stage=_stage(job),
        progress=round(sum(map(_share_done, job.renders)) / len(job.renders), 4),
        queue=_queue(place) if place else None,
        waiting_for=None if is_writable or job.status.is_final else "object_store",
        images=[_image(job, render, link) for render in job.renders],
        error=next((_error(render.error) for render in job.renders if render.error), None),
        model=model,
        revision=job.revision or None,
        revised_prompt=job.revised_prompt,
        enhancement=_enhancement(job.enhancement),
        width=width,
        height=height,
        rendered_size=f"{settings.width_px}x{settings.height_px}",
        prior=PriorAnswer(job_id=spec.prior.job_id, index=spec.prior.index) if spec.prior else None,
        n=spec.n,
        seed=spec.seed,
        num_condition_images=len(settings.images),
        priority=spec.priority,
        partial_images=spec.partial_images,
        enhance_prompt=spec.enhance_prompt,
        start_timeout_s=spec.start_timeout_s,
        execution_timeout_s=spec.execution_timeout_s,
        deadline=spec.deadline,
        metadata=dict(spec.metadata),
        webhook_url=spec.webhook_url,
        webhook_events=list(spec.webhook_events),
        webhook_payload=spec.webhook_payload if spec.webhook_url else None,
        created_at=job.created_at,
        started_at=job.started_at,
        finished_at=job.finished_at,
        links=Links(self=link, cancel=f"{link}/cancel", retry=f"{link}/retry", events=f"{link}/events"),
        **settings.model_dump(exclude=_ANSWERED_OTHERWISE),
    )
    return answer.model_dump(mode="json")


def _queue(place: QueuePlace) -> QueueAnswer:
    eta_s = None if place.eta_s is None else round(place.eta_s, 3)
    return QueueAnswer(stage=place.stage, position=place.position, eta_s=eta_s, unserved=list(place.unserved))


def _stage(job: Job) -> Stage | None:
    """The furthest stage that a render of a running job is in or waits for."""
    if job.status is not JobStatus.RUNNING:
        return None
    decoding = (Stage.DIT.waiting, Stage.DIT.running)
    return Stage.DIT if any(render.state in decoding for render in job.renders) else Stage.AR


def _share_done(render: Render) -> float:
    """A finished stage is half of a render; a render that ended otherwise keeps the stages that it finished."""
    if render.state is RenderState.SUCCEEDED:
        return 1.0
    finished = 0.5 if render.prior_ready_at else 0.0
    step = render.progress
    return finished + (0.5 * step.done / step.total if step and step.total else 0.0)


def _image(job: Job, render: Render, link: str) -> ImageAnswer:
    picture, steps = render.picture, render.progress
    width, height = job.spec.settings.delivered_size
    url = f"{link}/images/{render.index}"
    has_grid = picture or render.state in (Stage.DIT.waiting, Stage.DIT.running)
    return ImageAnswer(
        index=render.index,
        status=render.state,
        progress=StepsAnswer(done=steps.done, total=steps.total) if steps else None,
        seed=render.seed,
        width=width,
        height=height,
        url=url if picture else None,
        grid_url=f"{url}/grid" if has_grid else None,
        sha256=picture.sha256 if picture else None,
        bytes=picture.num_bytes if picture else None,
        content_type=picture.content_type if picture else None,
        ended_in=render.ended_in,
        error=_error(render.error) if render.error else None,
        attempts=render.attempts,
        timings=Timings(
            ar_s=_seconds(render.prior_started_at, render.prior_ready_at),
            dit_s=_seconds(render.decode_started_at, render.finished_at if picture else None),
        ),
    )


def _enhancement(enhancement: Enhancement | None) -> EnhancementAnswer | None:
    if enhancement is None:
        return None
    error = EnhancementErrorAnswer.model_validate(enhancement.error) if enhancement.error else None
    return EnhancementAnswer(status=enhancement.status, error=error)


def _error(error: Mapping[str, object]) -> ErrorAnswer:
    return ErrorAnswer.model_validate(error)


def _seconds(start: datetime | None, end: datetime | None) -> float | None:
    return round((end - start).total_seconds(), 3) if start and end else None
