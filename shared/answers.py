"""A job as clients read it: the API's answers and the webhooks' data. Never a presigned URL, never a secret."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, PlainSerializer, WithJsonSchema

from shared.jobs import Job, OutputFormat, Place, Priority, Quality, Render
from shared.states import JobStatus, RenderState, Stage


def rfc3339(moment: datetime) -> str:
    """UTC with milliseconds and `Z`."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


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
    """Steps done of the stage that a picture is in, and how many there are."""

    done: int
    total: int


class ImageAnswer(BaseModel):
    """One picture of a job. What describes its file is null until it has succeeded, `progress` unless it runs.

    `ended_in` tells where a picture was when it was cancelled, expired or failed: before its start, or in which stage.
    """

    index: int
    status: RenderState
    progress: StepsAnswer | None
    seed: int
    width: int
    height: int
    url: str | None
    sha256: str | None
    bytes: int | None
    content_type: str | None
    ended_in: Place | None
    error: ErrorAnswer | None
    timings: Timings


class Links(BaseModel):
    """Where to go from here."""

    self: str
    cancel: str
    events: str


class JobAnswer(BaseModel):
    """A job: where it stands, its pictures, and the request that it answers.

    `stage` is null while the job is queued and once it is final. `progress` goes from 0 to 1: every picture weighs
    the same, and so do the two stages of a picture; within a stage, every step does.
    """

    model_config = _ALL_ANSWERED

    id: str
    object: Literal["job"] = "job"
    status: JobStatus
    stage: Stage | None
    progress: float
    images: list[ImageAnswer]
    error: ErrorAnswer | None
    model: str
    revision: str | None
    prompt: str
    width: int
    height: int
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
    start_timeout_s: float | None
    execution_timeout_s: float | None
    deadline: Moment | None
    metadata: dict[str, str]
    webhook_url: str | None
    webhook_events: list[str]
    created_at: Moment
    started_at: Moment | None
    finished_at: Moment | None
    links: Links


def job_answer(job: Job, public_url: str, model: str) -> dict[str, Any]:
    """The job as plain JSON values, its links under `public_url`. `model` is the name under which it is served."""
    link = f"{public_url.rstrip('/')}/v1/jobs/{job.job_id}"
    settings, spec = job.spec.settings, job.spec
    answer = JobAnswer(
        id=job.job_id,
        status=job.status,
        stage=_stage(job),
        progress=round(sum(map(_share_done, job.renders)) / len(job.renders), 4),
        images=[_image(job, render, link) for render in job.renders],
        error=next((_error(render.error) for render in job.renders if render.error), None),
        model=model,
        revision=job.revision or None,
        width=settings.width_px,
        height=settings.height_px,
        n=spec.n,
        seed=spec.seed,
        num_condition_images=len(settings.images),
        priority=spec.priority,
        partial_images=spec.partial_images,
        start_timeout_s=spec.start_timeout_s,
        execution_timeout_s=spec.execution_timeout_s,
        deadline=spec.deadline,
        metadata=dict(spec.metadata),
        webhook_url=spec.webhook_url,
        webhook_events=list(spec.webhook_events),
        created_at=job.created_at,
        started_at=job.started_at,
        finished_at=job.finished_at,
        links=Links(self=link, cancel=f"{link}/cancel", events=f"{link}/events"),
        **settings.model_dump(exclude={"width_px", "height_px", "images"}),
    )
    return answer.model_dump(mode="json")


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
    return ImageAnswer(
        index=render.index,
        status=render.state,
        progress=StepsAnswer(done=steps.done, total=steps.total) if steps else None,
        seed=render.seed,
        width=job.spec.settings.width_px,
        height=job.spec.settings.height_px,
        url=f"{link}/images/{render.index}" if picture else None,
        sha256=picture.sha256 if picture else None,
        bytes=picture.num_bytes if picture else None,
        content_type=picture.content_type if picture else None,
        ended_in=render.ended_in,
        error=_error(render.error) if render.error else None,
        timings=Timings(
            ar_s=_seconds(render.prior_started_at, render.prior_ready_at),
            dit_s=_seconds(render.decode_started_at, render.finished_at if picture else None),
        ),
    )


def _error(error: Mapping[str, object]) -> ErrorAnswer:
    return ErrorAnswer.model_validate(error)


def _seconds(start: datetime | None, end: datetime | None) -> float | None:
    return round((end - start).total_seconds(), 3) if start and end else None
