"""OpenAI's routes: generate and edit pictures, waiting for the result, and list the one model."""

from typing import Any

from flask import Blueprint, Response, g

from api.openai.body import Pictures, read_edit, read_generation
from api.openai.errors import ModelNotServed
from api.openai.response import answer
from api.openai.retries import begin_delivery
from api.openai.stream import stream
from api.server.incoming import takes_pictures
from api.services import services
from shared.intake.fields import validated
from shared.intake.request import Body, JobRequest
from shared.openai.requests import ImagesRequest

openai_images = Blueprint("openai_images", __name__, url_prefix="/v1")

JOB_ID = "x-gridpress-job-id"


@openai_images.post("/images/generations")
def generate() -> Response:
    """Generates pictures and returns or streams them. The job outlives the connection; its id is in a header field."""
    return _rendered(read_generation())


@openai_images.post("/images/edits")
@takes_pictures
def edit() -> Response:
    """Edits one or several pictures: files of a form, or `images` in JSON."""
    return _rendered(*read_edit())


@openai_images.get("/models")
def models() -> dict[str, Any]:
    """Returns the list of models, which has one."""
    return {"object": "list", "data": [_model()]}


@openai_images.get("/models/<path:model_id>")
def model(model_id: str) -> dict[str, Any]:
    """Returns the model by its name. Raises for any other."""
    _check_model(model_id)
    return _model()


@openai_images.after_request
def _name_the_job(response: Response) -> Response:
    if "openai_job_id" in g:
        response.headers[JOB_ID] = g.openai_job_id
    return response


def _rendered(asked: ImagesRequest, pictures: Pictures | None = None) -> Response:
    _check_model(asked.model)
    pictures = pictures or Pictures()
    body = Body(validated(JobRequest, asked.fields_of_job()), pictures.files, pictures.cut)
    delivery = begin_delivery(body)
    g.openai_job_id = delivery.job.job_id
    if asked.stream:
        return stream(delivery, asked)
    delivery.wait(services().settings.images_wait_s)
    return answer(delivery, asked)


def _check_model(name: str | None) -> None:
    served = services().settings.served_model_name
    if name is not None and name.lower() != served.lower():
        raise ModelNotServed(f"this service has no model {name}, only {served}")


def _model() -> dict[str, Any]:
    """Describes the model. `created` is 0, because the service does not know the date of its model."""
    name = services().settings.served_model_name
    return {"id": name, "object": "model", "created": 0, "owned_by": name.partition("/")[0]}
