"""OpenAI's routes: generate and edit pictures and wait for the result, and list the models."""

from typing import Any

from flask import Blueprint, Response, g

from api.bodies.incoming import takes_pictures
from api.edge.authentication import hold_stream, own_catalogue
from api.jobs.retries import await_job
from api.openai.body import Pictures, read_edit, read_generation
from api.openai.response import answer
from api.openai.stream import stream
from api.openapi.schemas import ModelDefaultsResponse, ModelResponse
from api.problems.openai import ModelNotServed, StillRendering, not_made
from api.services import services
from shared.intake.fields import validated
from shared.intake.openai import ImagesRequest
from shared.intake.request import Body, JobRequest
from shared.models.catalogue import Catalogue
from shared.models.routes import is_stand_in

openai_images = Blueprint("openai_images", __name__, url_prefix="/v1")

JOB_ID = "x-gridpress-job-id"


@openai_images.post("/images/generations")
def generate() -> Response:
    """Generates pictures and returns them, or streams them if the request has `stream`.

    The job continues when the connection is lost. Its id is in the header field `x-gridpress-job-id`.
    """
    return _rendered(read_generation())


@openai_images.post("/images/edits")
@takes_pictures
def edit() -> Response:
    """Edits one or more pictures and returns the result, or streams it if the request has `stream`.

    The pictures are files of a multipart form, or `images` in a JSON body.
    """
    return _rendered(*read_edit())


@openai_images.get("/models")
def models() -> dict[str, Any]:
    """Returns the list of models: the default model under each of its names, and all other models that workers serve.

    With an API key that is for some models only, the list has these.
    """
    catalogue = own_catalogue()
    names = (*catalogue.names.listed, *catalogue.further)
    return {"object": "list", "data": [_model(catalogue, name) for name in names if catalogue.permits(name)]}


@openai_images.get("/models/<path:model_id>")
def model(model_id: str) -> dict[str, Any]:
    """Returns a model. A name that means no model of this service leads to the error `model_not_found`."""
    catalogue, name = own_catalogue(), _listed_name(model_id)
    if not catalogue.permits(name):
        raise ModelNotServed(catalogue.forbids(name) or "")
    return _model(catalogue, name)


@openai_images.after_request
def _name_the_job(response: Response) -> Response:
    if "openai_job_id" in g:
        response.headers[JOB_ID] = g.openai_job_id
    return response


def _rendered(asked: ImagesRequest, pictures: Pictures | None = None) -> Response:
    if asked.model is not None:
        _listed_name(asked.model)
    pictures = pictures or Pictures()
    if asked.stream:
        hold_stream()
    body = Body(validated(JobRequest, asked.fields_of_job()), pictures.files, pictures.cut)
    awaited = await_job(body)
    g.openai_job_id = awaited.job.job_id
    if asked.stream:
        return stream(awaited, asked)
    awaited.wait_for_pictures(services().settings.images_wait_s, failed=not_made, unfinished=StillRendering)
    return answer(awaited, asked)


def _listed_name(name: str) -> str:
    """Returns the listed name of the model that `name` means. Raises `ModelNotServed`."""
    catalogue = services().catalogue
    found = catalogue.names.find(name) or catalogue.find(name)
    if found is None:
        raise ModelNotServed(catalogue.refusal(name))
    return found


def _model(catalogue: Catalogue, name: str) -> dict[str, Any]:
    """Returns the description of a model under one of its names.

    The service does not know the model's date, so `created` is 0. `root` is the name that stands in responses. It is
    the name of a setting, so `revision` identifies the weights that are loaded.
    """
    root = catalogue.find(name) or catalogue.default
    model = None if root == catalogue.default else root
    revision = catalogue.main_revision(model) or services().throughput.newest_revision()
    return ModelResponse(
        id=name,
        object="model",
        created=0,
        owned_by=root.partition("/")[0],
        root=root,
        revision=None if revision is None or is_stand_in(revision) else revision,
        defaults=ModelDefaultsResponse.of(catalogue.defaults(model)),
    ).model_dump(mode="json")
