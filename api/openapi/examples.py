"""Creates the example responses in the OpenAPI document with the code of real responses, so they stay correct."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from shared.ids import JobId, ObjectKey, Revision, render_id
from shared.jobs.job import Job, Picture, Render
from shared.jobs.spec import JobSpec, RenderSettings
from shared.jobs.states import JobStatus, RenderState
from shared.responses.job import job_response
from shared.settings.settings import Settings

REQUESTS: dict[str, dict[str, Any]] = {
    "text": {
        "prompt": 'A cookbook page titled "Lemon tart" in thin serifs, a tart cut in half beside it',
        "size": "1152x1024",
        "seed": 42,
    },
    "variations": {
        "prompt": "A paper lantern festival on a river at dusk",
        "width": 768,
        "height": 1024,
        "n": 3,
        "num_inference_steps": 30,
        "output_format": "webp",
        "metadata": {"order": "1047"},
        "webhook_url": "https://shop.example.com/hooks/gridpress",
        "webhook_events": ["job.succeeded", "job.failed"],
    },
    "edit": {
        "prompt": "Replace the background with a snowy forest and keep the dog as it is",
        "images": [
            "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAIAAACQd1PeAAAADElEQVR4nGNwy1sAAAJSAVWwsU5zAAAAAElFTkSuQmCC"
        ],
        "size": "1024x1056",
    },
}

_CREATED_AT = datetime(2026, 1, 5, 9, 30, tzinfo=UTC)


def job() -> dict[str, Any]:
    """Returns an example response: a job with one finished picture. Its links have the default base URL."""
    settings = Settings.model_construct()
    return job_response(finished_job(), settings.public_url, settings.served_model_name)


def rejected_job() -> Job:
    """Returns a job whose prompt the operator's content policy refused."""
    done = finished_job()
    policy = {"code": "violence", "reason": "the prompt asks for violence"}
    error = {
        "code": "content_rejected",
        "message": f"the content policy refused the prompt: {policy['reason']}",
        "policy": policy,
    }
    render = replace(done.renders[0], state=RenderState.REJECTED, picture=None, error=error)
    return replace(done, status=JobStatus.REJECTED, renders=(render,))


def page() -> dict[str, Any]:
    """Returns an example page of a job list, which contains only the example job."""
    return {"data": [job()], "has_more": False, "next": None}


def finished_job() -> Job:
    """Returns a job with one finished picture."""
    job_id = JobId("job_01ke6q8v3c9t0n5w7x2z4b6d8f")
    render = RenderSettings(prompt=REQUESTS["text"]["prompt"], width_px=1152, height_px=1024)
    return Job(
        job_id=job_id,
        spec=JobSpec(settings=render, n=1, seed=42),
        status=JobStatus.SUCCEEDED,
        revision=Revision("4f3a2b1c0d9e"),
        renders=(_render(job_id),),
        created_at=_CREATED_AT,
        started_at=_CREATED_AT + timedelta(seconds=1),
        finished_at=_CREATED_AT + timedelta(seconds=24),
    )


def _render(job_id: JobId) -> Render:
    stem = f"jobs/{job_id}/0"
    return Render(
        render_id=render_id(job_id, 0),
        index=0,
        state=RenderState.SUCCEEDED,
        seed=42,
        progress=None,
        picture=Picture(ObjectKey(f"{stem}.png"), ObjectKey(f"{stem}.json"), "9f" * 32, 1_834_212, "image/png"),
        error=None,
        ended_in=None,
        attempts=2,
        prior_started_at=_CREATED_AT + timedelta(seconds=1),
        prior_ready_at=_CREATED_AT + timedelta(seconds=15),
        decode_started_at=_CREATED_AT + timedelta(seconds=16),
        finished_at=_CREATED_AT + timedelta(seconds=24),
    )
