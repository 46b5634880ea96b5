"""Builds the job object of API responses and webhooks. The object never contains a presigned URL or a secret."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from shared.ids import split_render_id
from shared.jobs.bucket_copy import BucketCopy
from shared.jobs.enhancement import Enhancement
from shared.jobs.job import Job, Render
from shared.jobs.pauses import Pause
from shared.jobs.states import JobStatus, RenderState, Stage
from shared.jobs.text_check import TextResult
from shared.responses.schemas import (
    BucketCopyResponse,
    EnhancementErrorResponse,
    EnhancementResponse,
    ImageResponse,
    JobLinks,
    JobResponse,
    PauseResponse,
    PriorResponse,
    QueueResponse,
    RenderErrorResponse,
    ReusedFrom,
    StepsResponse,
    TextCheckAsked,
    TextCheckErrorResponse,
    TextCheckResponse,
    Timings,
)
from shared.schedule.throughput import NO_OUTLOOK, Outlook, QueuePlace

_FIELDS_OF_OTHER_NAMES = {"width_px", "height_px", "crop_width_px", "crop_height_px", "images", "image_sizes", "mark"}

_RENDERED = 0.99  # progress of a picture that is rendered and waits for its content check


def job_response(
    job: Job, public_url: str, model: str, outlook: Outlook = NO_OUTLOOK, *, is_writable: bool = True
) -> dict[str, Any]:
    """Returns the job as plain JSON values, with links under `public_url`. `model` is the name of the default model.

    `is_writable` says whether finished pictures can be stored now.
    """
    link = f"{public_url.rstrip('/')}/v1/jobs/{job.job_id}"
    settings, spec = job.spec.settings, job.spec
    width, height = settings.delivered_size
    answer = JobResponse(
        id=job.job_id,
        status=job.status,
        stage=_stage(job),
        progress=round(sum(map(_share_done, job.renders)) / len(job.renders), 4),
        eta_s=_rounded(outlook.eta_s),
        queue=_queue(outlook.queue) if outlook.queue else None,
        waiting_for=None if is_writable or job.status.is_final else "object_store",
        paused=pause_response(outlook.pause) if outlook.pause else None,
        images=[_image(job, render, link) for render in job.renders],
        error=_error(job.error) if job.error else None,
        model=spec.model or model,
        revision=job.revision or None,
        canary=job.is_canary,
        bucket_copy=bucket_copy_response(job.bucket_copy),
        revised_prompt=job.revised_prompt,
        enhancement=_enhancement(job.enhancement),
        width=width,
        height=height,
        rendered_size=f"{settings.width_px}x{settings.height_px}",
        prior=PriorResponse(job_id=spec.prior.job_id, index=spec.prior.index) if spec.prior else None,
        n=spec.n,
        seed=spec.seed,
        num_condition_images=len(settings.images),
        visible_mark=settings.mark is not None,
        priority=spec.priority,
        partial_images=spec.partial_images,
        enhance_prompt=spec.enhance_prompt,
        reuse=spec.reuse,
        text_check=TextCheckAsked(redraws=spec.text_check.redraws) if spec.text_check else None,
        start_timeout_s=spec.start_timeout_s,
        execution_timeout_s=spec.execution_timeout_s,
        deadline=spec.deadline,
        delete_after_s=spec.delete_after_s,
        delete_at=_delete_at(job),
        metadata=dict(spec.metadata),
        webhook_url=spec.webhook_url,
        webhook_events=list(spec.webhook_events),
        webhook_payload=spec.webhook_payload if spec.webhook_url else None,
        created_at=job.created_at,
        started_at=job.started_at,
        finished_at=job.finished_at,
        links=JobLinks(self=link, cancel=f"{link}/cancel", retry=f"{link}/retry", events=f"{link}/events"),
        **settings.model_dump(exclude=_FIELDS_OF_OTHER_NAMES),
    )
    return answer.model_dump(mode="json")


def bucket_copy_response(copy: BucketCopy | None) -> BucketCopyResponse | None:
    """Returns the copy of a job or batch in the bucket of its tenant; None if there is none."""
    return BucketCopyResponse(status=copy.status, location=copy.location, error=copy.error) if copy else None


def _delete_at(job: Job) -> datetime | None:
    """Returns the time at which the job is deleted by itself; None before its end, and if it is not."""
    after_s = job.spec.delete_after_s
    return None if after_s is None or job.finished_at is None else job.finished_at + timedelta(seconds=after_s)


def _queue(place: QueuePlace) -> QueueResponse:
    eta_s = _rounded(place.eta_s)
    return QueueResponse(
        stage=place.stage,
        position=place.position,
        eta_s=eta_s,
        unserved=list(place.unserved),
        reason=place.reason or None,
    )


def pause_response(pause: Pause) -> PauseResponse:
    """Returns a pause as callers whose work waits read it."""
    return PauseResponse(kind=pause.kind, name=pause.name, reason=pause.reason, since=pause.since)


def _rounded(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds, 3)


def _stage(job: Job) -> Stage | None:
    """Returns the furthest stage that a render of a running job has reached; None if the job is not running."""
    if job.status is not JobStatus.RUNNING:
        return None
    decoding = (Stage.DIT.waiting, Stage.DIT.running, RenderState.CHECKING)
    return Stage.DIT if any(render.state in decoding for render in job.renders) else Stage.AR


def _share_done(render: Render) -> float:
    """Returns the progress of a render from 0 to 1. AR is the first half, the DiT the second half.

    A failed render keeps the progress of the stages that it finished.
    """
    if render.state is RenderState.SUCCEEDED:
        return 1.0
    if render.state is RenderState.CHECKING:
        return _RENDERED
    finished = 0.5 if render.prior_ready_at else 0.0
    step = render.progress
    return finished + (0.5 * step.done / step.total if step and step.total else 0.0)


def _image(job: Job, render: Render, link: str) -> ImageResponse:
    picture, steps = render.picture, render.progress
    width, height = job.spec.settings.delivered_size
    url = f"{link}/images/{render.index}"
    has_grid = picture or render.state in (Stage.DIT.waiting, Stage.DIT.running)
    return ImageResponse(
        index=render.index,
        status=render.state,
        progress=StepsResponse(done=steps.done, total=steps.total) if steps else None,
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
        attempts=render.num_tries,
        timings=Timings(
            ar_s=_seconds(render.prior_started_at, render.prior_ready_at),
            dit_s=_seconds(render.decode_started_at, (render.decoded_at or render.finished_at) if picture else None),
        ),
        reused_from=reused_from(render),
        text_check=text_response(render.text) if picture and render.text else None,
    )


def text_response(result: TextResult) -> TextCheckResponse:
    """Returns the result of a text check as responses and manifests show it."""
    reading, error = result.reading, result.error
    return TextCheckResponse(
        matches=reading.is_match if reading else None,
        edit_distance=reading.edit_distance if reading else None,
        read=reading.text if reading else None,
        redraws=result.num_redraws,
        error=TextCheckErrorResponse.model_validate(error) if error else None,
    )


def picture_facts(render: Render) -> dict[str, Any]:
    """Returns the fields `text_check` and `reused_from` of a finished picture, for a response in another API format.

    A field that would be null is left out, so a request that uses neither gets only the fields of that format.
    """
    source = reused_from(render)
    return {
        **({"text_check": text_response(render.text).model_dump(mode="json")} if render.text else {}),
        **({"reused_from": source.model_dump()} if source else {}),
    }


def reused_from(render: Render) -> ReusedFrom | None:
    """Returns the picture that was copied for this render; None if the render made its picture itself."""
    if render.reused_from is None:
        return None
    job_id, index = split_render_id(render.reused_from)
    return ReusedFrom(job_id=job_id, index=index)


def _enhancement(enhancement: Enhancement | None) -> EnhancementResponse | None:
    if enhancement is None:
        return None
    error = EnhancementErrorResponse.model_validate(enhancement.error) if enhancement.error else None
    return EnhancementResponse(status=enhancement.status, error=error)


def _error(error: Mapping[str, object]) -> RenderErrorResponse:
    return RenderErrorResponse.model_validate(error)


def _seconds(start: datetime | None, end: datetime | None) -> float | None:
    return round((end - start).total_seconds(), 3) if start and end else None
