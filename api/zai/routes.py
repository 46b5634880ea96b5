"""Routes of Z.ai's API: render and wait, render in the background, and read a task.

A task is a job in Z.ai's format.
"""

from collections.abc import Sequence
from typing import Any

from flask import Blueprint, Response, request
from werkzeug.exceptions import UnsupportedMediaType

from api.bodies.documents import body_document
from api.edge.authentication import caller
from api.jobs.picture_links import link_of
from api.jobs.retries import await_job
from api.jobs.submission import submit
from api.problems.zai import ContentRejected, JobNotMade, ModelNotServed, StillRendering
from api.services import Services, services
from api.zai.schemas import ImageLink, ImageRequest, ImagesResponse, TaskError, TaskResponse, TaskStatus
from shared.ids import JobId
from shared.intake.fields import validated
from shared.intake.request import Body, JobRequest
from shared.jobs.job import Job, Render
from shared.jobs.states import JobStatus
from shared.responses.job import picture_facts

zai = Blueprint("zai", __name__)

# Z.ai's own base URL ends in /api/paas/v4, so clients only have to change the host.
PREFIXES = ("/paas/v4", "/api/paas/v4")

Json = dict[str, Any]


@zai.post("/images/generations")
def generate() -> Response:
    """Creates a job, waits for its pictures, and returns links to them, which expire.

    It waits at most GRIDPRESS_IMAGES_WAIT_S seconds. A retry of the request then waits for the same job.
    """
    asked = _read()
    awaited = await_job(_body_of(asked))
    awaited.wait_for_pictures(services().settings.images_wait_s, failed=_not_made, unfinished=_unfinished)
    job = awaited.job
    assert job.finished_at
    fields = {"created": int(job.finished_at.timestamp()), "data": _links(job), "content_filter": []}
    answer = ImagesResponse.model_validate(fields | ({"warnings": asked.warnings} if asked.warnings else {}))
    return awaited.deliver(answer.model_dump_json(exclude_unset=True))


@zai.post("/async/images/generations")
def begin() -> Json:
    """Creates a job and returns it at once, as a task in Z.ai's format."""
    asked = _read()
    return _task(submit(_body_of(asked)), asked.warnings)


@zai.get("/async-result/<job_id>")
def result(job_id: str) -> Json:
    """Returns a job as a task in Z.ai's format. The job may have been created in any API format."""
    return _task(services().store.job(JobId(job_id), caller().tenant))


def _read() -> ImageRequest:
    if request.mimetype != "application/json":
        raise UnsupportedMediaType("send application/json")
    asked = validated(ImageRequest, body_document().value)
    catalogue = services().catalogue
    if catalogue.find(asked.model) is None:
        raise ModelNotServed(catalogue.refusal(asked.model or ""), "model")
    return asked


def _body_of(asked: ImageRequest) -> Body:
    return Body(validated(JobRequest, asked.fields_of_job()), ())


def _not_made(job: Job) -> JobNotMade | ContentRejected:
    return ContentRejected(_why(job)) if job.status is JobStatus.REJECTED else JobNotMade(_why(job))


def _unfinished(job: Job) -> StillRendering:
    where = f"/paas/v4/async-result/{job.job_id}"
    return StillRendering(f"{job.job_id} is still running; retry the request, or read it at {where}")


def _task(job: Job, warnings: Sequence[str] = ()) -> Json:
    status = _status(job)
    fields = {
        "id": job.job_id,
        "model": job.spec.model or services().settings.served_model_name,
        "request_id": job.spec.metadata.get("request_id", job.job_id),
        "task_status": status,
        "image_result": _links(job) or None if job.status.is_final else None,
        "error": TaskError(code=job.status, message=_why(job)) if status is TaskStatus.FAIL else None,
        "warnings": list(warnings) or None,
    }
    answer = TaskResponse.model_validate({name: value for name, value in fields.items() if value is not None})
    return answer.model_dump(mode="json", exclude_unset=True)


def _status(job: Job) -> TaskStatus:
    if not job.status.is_final:
        return TaskStatus.PROCESSING
    return TaskStatus.SUCCESS if job.status is JobStatus.SUCCEEDED else TaskStatus.FAIL


def _why(job: Job) -> str:
    error = job.error
    return f"{job.job_id} is {job.status}" + (f": {error['message']}" if error else "")


def _links(job: Job) -> list[ImageLink]:
    deps = services()
    return [_link(deps, job, render) for render in job.renders if render.picture]


def _link(deps: Services, job: Job, render: Render) -> ImageLink:
    return ImageLink.model_validate({"url": link_of(deps, job, render.index), **picture_facts(render)})
