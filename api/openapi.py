"""The OpenAPI 3.1 document: schemas from the models that validate and answer, one entry per route."""

from collections.abc import Mapping
from importlib.metadata import version
from typing import Any

from flask import Blueprint
from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from api import examples
from api.dead_letters import DeadLetterAnswer, DeadLetterPage
from api.file_schemas import FileAnswer, FileDeleted, FilePage, FilesQuery
from api.grids import GridAnswer
from api.openapi_access import SCHEMES, guarded
from api.problems import CONTENT_TYPE, Problem
from api.schemas import DeadLetterQuery, ListQuery
from api.services import services
from api.stats import StatsAnswer
from api.webhook_schemas import ANSWERS as WEBHOOK_ANSWERS
from api.webhook_schemas import REQUESTS as WEBHOOK_REQUESTS
from api.webhook_schemas import AttemptsQuery, EndpointsQuery
from api.webhooks import KeyQuery, PublicKey
from api.zai.routes import PREFIXES
from api.zai.schemas import ImageRequest, ImagesAnswer, TaskAnswer
from shared.answers import JobAnswer
from shared.intake.request import JobRequest
from shared.settings import Settings
from shared.store.durability import Durability

openapi = Blueprint("openapi", __name__)

Json = dict[str, Any]


class JobPage(BaseModel):
    """A page of jobs, newest first. `next` is the `after` of the next page."""

    data: list[JobAnswer]
    has_more: bool
    next: str | None


class Secret(BaseModel):
    """A webhook secret as the Standard Webhooks libraries take it."""

    secret: str


class Health(BaseModel):
    """`ok`, or what is missing; `/readyz` adds whether new jobs are taken, who may call, and what a 202 is worth."""

    status: str
    checks: dict[str, str] = {}
    intake: str | None = None
    access: str | None = None
    durability: Durability | None = None


@openapi.get("/openapi.json")
def read() -> Json:
    """This service's own description, with its own limits."""
    return document(services().settings)


def document(settings: Settings) -> Json:
    """The document of a service with these settings."""
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Gridpress",
            "version": version("gridpress"),
            "description": "Renders pictures with GLM-Image.",
        },
        "servers": [{"url": settings.public_url}],
        "paths": guarded(_paths(settings), _problem("")),
        "components": {"schemas": _schemas(settings), "securitySchemes": SCHEMES},
    }


def _schemas(settings: Settings) -> Json:
    answers = (
        FileAnswer,
        FileDeleted,
        FilePage,
        ImagesAnswer,
        TaskAnswer,
        JobAnswer,
        JobPage,
        DeadLetterAnswer,
        DeadLetterPage,
        Problem,
        Secret,
        Health,
        GridAnswer,
        StatsAnswer,
        *WEBHOOK_ANSWERS,
        PublicKey,
    )
    requests = (JobRequest, ImageRequest, *WEBHOOK_REQUESTS)
    _, document = models_json_schema(
        [*((model, "validation") for model in requests), *((model, "serialization") for model in answers)],
        ref_template="#/components/schemas/{model}",
    )
    schemas: Json = document["$defs"]
    fields = schemas["JobRequest"]["properties"]
    fields["prompt"] |= {"minLength": 1, "maxLength": settings.max_prompt_chars}
    fields["n"]["maximum"] = settings.max_n
    fields["num_inference_steps"]["maximum"] = settings.max_inference_steps
    fields["images"]["maxItems"] = settings.max_images
    return schemas


def _paths(settings: Settings) -> Json:
    job, index = _path_parameter("job_id", "string"), _path_parameter("index", "integer")
    answer = _content("JobAnswer", examples={"succeeded": examples.answer(settings)})
    missing = {404: _problem("no such job")}
    return {
        "/v1/jobs": {"post": _create(answer), "get": _list()},
        "/v1/jobs/{job_id}": {
            "get": _operation("Read a job", {200: _answer("the job", answer), **missing}, [job]),
            "put": _operation("Create a job under an id of your own", {202: _answer("the job", answer)}, [job]),
            "delete": _operation("Delete a job", {204: {"description": "it is gone"}, **missing}, [job]),
        },
        "/v1/jobs/{job_id}/retry": {
            "post": _operation("Retry a job", {202: _answer("the job, which goes on", answer), **missing}, [job])
        },
        "/v1/jobs/{job_id}/cancel": {
            "post": _operation("Cancel a job", {200: _answer("the job as it stands", answer), **missing}, [job])
        },
        "/v1/jobs/{job_id}/images/{index}": {"get": _image([job, index])},
        "/v1/jobs/{job_id}/images/{index}/grid": {"get": _grid([job, index])},
        "/v1/stats": {"get": _operation("Load of the stages", {200: _answer("both", _content("StatsAnswer"))})},
        "/v1/jobs/{job_id}/images/{index}/previews/{number}": {
            "get": _preview([job, index, _path_parameter("number", "integer")])
        },
        "/v1/jobs/{job_id}/events": {"get": _events([job])},
        **_dead_letters(answer),
        **_files(),
        **_zai(),
        **_webhooks(),
        "/healthz": {"get": _operation("Is the process alive?", {200: _answer("yes", _content("Health"))})},
        "/readyz": {"get": _ready()},
        "/openapi.json": {"get": _operation("This document", {200: {"description": "OpenAPI 3.1"}})},
    }


def _files() -> Json:
    one, missing = [_path_parameter("file_id", "string")], {404: _problem("no such file")}
    file, page = _answer("the file", _content("FileAnswer")), _answer("a page", _content("FilePage"))
    link = {"description": "a presigned URL of the file", "headers": {"Location": {"schema": {"type": "string"}}}}
    content: dict[int, Json] = {200: {"description": "the bytes, where links are streamed"}, 302: link, **missing}
    deleted = _answer("it is gone", _content("FileDeleted"))
    return {
        "/v1/files": {
            "post": _operation("Store a file", {200: file}),
            "get": _operation("List files", {200: page}, _query(FilesQuery)),
        },
        "/v1/files/{file_id}": {
            "get": _operation("Read a file", {200: file, **missing}, one),
            "delete": _operation("Delete a file", {200: deleted, **missing}, one),
        },
        "/v1/files/{file_id}/content": {"get": _operation("Download a file", content, one)},
    }


def _webhooks() -> Json:
    tenant = _query(KeyQuery)
    secret, key = _answer("the secret", _content("Secret")), _answer("the key", _content("PublicKey"))
    jwks = {"description": "a JSON Web Key Set"}
    return {
        "/v1/webhooks/secret": {"get": _operation("Read the webhook secret", {200: secret})},
        "/v1/webhooks/public_key": {"get": _operation("Read the key that verifies v1a", {200: key}, tenant)},
        "/v1/webhooks/jwks.json": {"get": _operation("The same as a JWKS", {200: jwks}, tenant)},
        **_webhook_endpoints(secret),
        **_webhook_log(),
    }


def _webhook_endpoints(secret: Json) -> Json:
    path, one = "/v1/webhook_endpoints/{endpoint_id}", [_path_parameter("endpoint_id", "string")]
    known = _answer("the endpoint as it stands", _content("EndpointAnswer"))
    made = _answer("the endpoint and its secret", _content("EndpointWithSecret"))
    page, gone = _answer("a page", _content("EndpointPage")), {"description": "it is gone"}
    missing = {404: _problem("no such endpoint")}
    create = _operation("Create a webhook endpoint", {201: made, 409: _problem("there are as many as may be")})
    change = _operation("Change a webhook endpoint", {200: known, **missing}, one)
    rotate = _operation("Rotate its secret", {200: made, **missing}, one)
    return {
        "/v1/webhook_endpoints": {
            "post": {**create, "requestBody": _body("EndpointRequest")},
            "get": _operation("List webhook endpoints", {200: page}, _query(EndpointsQuery)),
        },
        path: {
            "get": _operation("Read a webhook endpoint", {200: known, **missing}, one),
            "patch": {**change, "requestBody": _body("EndpointPatch")},
            "delete": _operation("Delete a webhook endpoint", {204: gone, **missing}, one),
        },
        f"{path}/disable": {"post": _operation("Tell it nothing more", {200: known, **missing}, one)},
        f"{path}/enable": {"post": _operation("Tell it what happens again", {200: known, **missing}, one)},
        f"{path}/secret": {"get": _operation("Read its secret", {200: secret, **missing}, one)},
        f"{path}/rotate_secret": {"post": {**rotate, "requestBody": _body("RotationRequest", is_required=False)}},
    }


def _webhook_log() -> Json:
    endpoint, message, job = (_path_parameter(f"{name}_id", "string") for name in ("endpoint", "message", "job"))
    log, sent = _answer("a page", _content("AttemptPage")), _answer("so many are due", _content("NumSent"))
    known, missing = _answer("the message", _content("MessageAnswer")), {404: _problem("there is none")}
    ours, theirs = "/v1/webhook_endpoints/{endpoint_id}", "/v1/webhook_messages/{message_id}"
    query = _query(AttemptsQuery)

    def again(summary: str, parameter: Json, body: str, *, is_required: bool = True) -> Json:
        operation = _operation(summary, {202: sent, **missing}, [parameter])
        return {"post": {**operation, "requestBody": _body(body, is_required=is_required)}}

    return {
        f"{ours}/attempts": {"get": _operation("How was it called?", {200: log, **missing}, [endpoint, *query])},
        "/v1/jobs/{job_id}/webhook_attempts": {
            "get": _operation("Whom were its webhooks sent to?", {200: log, **missing}, [job, *query])
        },
        theirs: {"get": _operation("Read a webhook message", {200: known, **missing}, [message])},
        f"{theirs}/attempts": {"get": _operation("Whom was it sent to?", {200: log, **missing}, [message, *query])},
        f"{theirs}/resend": again("Send a message again", message, "ResendRequest", is_required=False),
        f"{ours}/recover": again("Send again what was given up", endpoint, "RangeRequest"),
        f"{ours}/replay": again("Send again what happened", endpoint, "RangeRequest"),
        f"{ours}/test": {"post": _operation("Send a test", {202: known, **missing}, [endpoint])},
    }


def _body(model: str, *, is_required: bool = True) -> Json:
    return {"required": is_required, "content": _content(model)}


def _zai() -> Json:
    task = _answer("the task", _content("TaskAnswer"))
    body = {"required": True, "content": _content("ImageRequest")}
    made = _operation("Render, and wait for the pictures (Z.ai)", {200: _answer("them", _content("ImagesAnswer"))})
    begun = _operation("Render, and come back for the pictures (Z.ai)", {200: task})
    result = _operation("How does a task stand? (Z.ai)", {200: task}, [_path_parameter("job_id", "string")])
    paths = {
        "/images/generations": {"post": {**made, "requestBody": body}},
        "/async/images/generations": {"post": {**begun, "requestBody": body}},
        "/async-result/{job_id}": {"get": result},
    }
    return {prefix + path: item for prefix in PREFIXES for path, item in paths.items()}


def _grid(parameters: list[Json]) -> Json:
    raw = {"schema": {"type": "string", "format": "binary"}}
    content = {**_content("GridAnswer"), "application/octet-stream": raw}
    answers: dict[int, Json] = {
        200: {"description": "the tokens in row order; raw: little-endian uint16", "content": content},
        404: _problem("no such job or image"),
        409: _problem("not made yet, or never"),
    }
    return _operation("Read a picture's token grid", answers, parameters)


def _dead_letters(job: Json) -> Json:
    one, missing = [_path_parameter("letter_id", "string")], {404: _problem("no such dead letter")}
    page, letter = _content("DeadLetterPage"), _content("DeadLetterAnswer")
    purged: dict[int, Json] = {204: {"description": "forgotten; the picture stays failed"}}
    path = "/v1/dead_letters/{letter_id}"
    return {
        "/v1/dead_letters": {
            "get": _operation("List dead letters", {200: _answer("a page", page)}, _query(DeadLetterQuery))
        },
        path: {
            "get": _operation("Read a dead letter", {200: _answer("it, with its evidence", letter), **missing}, one)
        },
        f"{path}/requeue": {
            "post": _operation("Try a picture again", {200: _answer("its job, which runs again", job), **missing}, one)
        },
        f"{path}/purge": {"post": _operation("Forget a dead letter", {**purged, **missing}, one)},
    }


def _create(answer: Json) -> Json:
    request = _content("JobRequest", examples=examples.REQUESTS)
    responses = {
        202: _answer("accepted; `Location` is the job", answer),
        400: _problem("the request cannot be rendered; `field` names what is wrong"),
        413: _problem("the body is over the limit"),
        415: _problem("neither JSON nor multipart"),
        429: _problem("too many renders wait; `Retry-After` says when to try again"),
        503: _problem("a store is away or full; nothing was accepted"),
    }
    operation = _operation("Create a job", responses)
    return {**operation, "requestBody": {"required": True, "content": {**request, **_multipart()}}}


def _multipart() -> Json:
    """The request as JSON in one part, pictures as files beside it. Plain form fields work, too."""
    pictures = {"type": "array", "items": {"type": "string", "contentMediaType": "image/*"}}
    parts = {"request": {"$ref": "#/components/schemas/JobRequest"}, "images": pictures}
    encoding = {"request": {"contentType": "application/json"}}
    return {"multipart/form-data": {"schema": {"type": "object", "properties": parts}, "encoding": encoding}}


def _list() -> Json:
    answers = {200: _answer("a page of jobs", _content("JobPage"))}
    return _operation("List jobs, newest first", answers, _query(ListQuery))


def _query(model: type[BaseModel]) -> list[Json]:
    properties = model.model_json_schema(ref_template="#/components/schemas/{model}")["properties"]
    return [{"name": name, "in": "query", "schema": schema} for name, schema in properties.items()]


def _image(parameters: list[Json]) -> Json:
    responses: dict[int, Json] = {
        200: {"description": "the file, where links are streamed", "content": {"image/*": {}}},
        302: {"description": "a link to the file that works for a while"},
        404: _problem("no such job or image"),
        409: _problem("the image is not finished, or never will be"),
    }
    return _operation("Fetch a finished picture", responses, parameters)


def _preview(parameters: list[Json]) -> Json:
    responses: dict[int, Json] = {
        200: {"description": "the file, where links are streamed", "content": {"image/jpeg": {}}},
        302: {"description": "a link to the file that works for a while"},
        404: _problem("no such preview, or not yet"),
    }
    return _operation("Fetch a preview that an event announced", responses, parameters)


def _events(parameters: list[Json]) -> Json:
    resume = {"name": "Last-Event-ID", "in": "header", "schema": {"type": "string"}}
    responses: dict[int, Json] = {
        200: {"description": "Server-Sent Events until the job's end", "content": {"text/event-stream": {}}},
        204: {"description": "nothing will happen any more"},
        404: _problem("no such job"),
        503: _problem("too many streams are open"),
    }
    return _operation("Follow a job", responses, [*parameters, resume])


def _ready() -> Json:
    content = _content("Health")
    answers = {200: _answer("both stores answer", content), 503: _answer("one does not", content)}
    return _operation("Can it work?", answers)


def _operation(summary: str, responses: Mapping[int, Json], parameters: list[Json] | None = None) -> Json:
    operation = {"summary": summary, "responses": {str(status): answer for status, answer in responses.items()}}
    return {**operation, "parameters": parameters} if parameters else operation


def _path_parameter(name: str, kind: str) -> Json:
    return {"name": name, "in": "path", "required": True, "schema": {"type": kind}}


def _content(model: str, examples: Mapping[str, Json] | None = None) -> Json:
    entry: Json = {"schema": {"$ref": f"#/components/schemas/{model}"}}
    if examples:
        entry["examples"] = {name: {"value": value} for name, value in examples.items()}
    return {"application/json": entry}


def _answer(description: str, content: Json) -> Json:
    return {"description": description, "content": content}


def _problem(description: str) -> Json:
    return _answer(description, {CONTENT_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}})
