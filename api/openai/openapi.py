"""OpenAPI entries of OpenAI's routes: generate and edit pictures, and list the served model."""

from typing import Any

from api.openapi.fields import JOB_ID
from api.openapi.media import FILE, event_stream
from api.openapi.operation import Body, Json, Operation, Refusals, Response
from api.openapi.schemas import ImagesDone, ModelPage, ModelResponse
from api.problems.errors import ForbiddenModel
from api.problems.openai import ContentRejected, ModelNotServed, OpenAiError, StillRendering
from shared.errors import (
    FileNotStored,
    InvalidImage,
    ObjectNotFound,
    ObjectStoreUnavailable,
    QueueFull,
    StoreFull,
    TenantBeingErased,
)
from shared.intake.openai import EditRequest, GenerationRequest

_TAG = "OpenAI images"
_LINK = "https://s3.example.com/gridpress/jobs/job_01ke6q8v3c9t0n5w7x2z4b6d8f/0/4f3a.png?X-Amz-Signature=9f"
_NAME = "zai-org/GLM-Image"
_MODEL = {
    "id": _NAME,
    "object": "model",
    "created": 0,
    "owned_by": "zai-org",
    "root": _NAME,
    "revision": "4f3a2b1c0d9e",
    "defaults": {"size": None, "num_inference_steps": 30, "guidance_scale": None, "quality": None},
}
_DONE = {
    "background": "opaque",
    "output_format": "png",
    "quality": "high",
    "size": "1024x1024",
    "created": 1_767_605_424,
    "usage": {
        "input_tokens": 0,
        "input_tokens_details": {"text_tokens": 0, "image_tokens": 0},
        "output_tokens": 1281,
        "output_tokens_details": {"image_tokens": 1281, "text_tokens": 0},
        "total_tokens": 1281,
    },
    "data": [{"url": _LINK}],
}
_EVENTS = event_stream(
    "completed",
    "event: image_generation.completed\n"
    'data: {"type": "image_generation.completed", "image_index": 0, "b64_json": "iVBORw0KGgo="}\n\n',
)
_PICTURES = Response(
    "the pictures, or a stream of events if the request has `stream`",
    ImagesDone,
    _EVENTS,
    (JOB_ID,),
    {"as_links": _DONE},
)


def _ended(code: str, status: str) -> dict[str, Any]:
    message = f"job_01ke6q8v3c9t0n5w7x2z4b6d8f is {status}"
    error = {"message": message, "type": "server_error", "param": None, "code": code, "retryable": False}
    return {code: {"error": error}}


_ANSWERS = {
    200: _PICTURES,
    500: Response(
        "the job failed; `code` says why", OpenAiError, fields=(JOB_ID,), examples=_ended("nan_pixels", "failed")
    ),
    504: Response(
        "the job expired before it was finished",
        OpenAiError,
        fields=(JOB_ID,),
        examples=_ended("job_expired", "expired"),
    ),
}
_REFUSALS: Refusals = (
    ModelNotServed,
    ContentRejected,
    StillRendering,
    ForbiddenModel,
    TenantBeingErased,
    QueueFull,
    StoreFull,
    ObjectStoreUnavailable,
    ObjectNotFound,
)
_EDIT_FORM: Json = {
    "schema": {
        "type": "object",
        "properties": {
            "image": {
                "type": "array",
                "items": FILE,
                "minItems": 1,
                "description": "one part for each image; the name `image[]` means the same",
            },
            "prompt": {"type": "string", "minLength": 1},
            "model": {"type": "string"},
            "size": {"type": "string"},
            "response_format": {"type": "string", "enum": ["b64_json", "url"]},
        },
        "required": ["image", "prompt"],
    },
    "encoding": {"image": {"contentType": "image/*"}},
}
_GENERATION = {
    "model": "zai-org/GLM-Image",
    "prompt": 'A tea deps poster that says "Open late"',
    "size": "1024x1024",
    "response_format": "b64_json",
}
_EDIT = {"prompt": "Make it winter", "images": [{"file_id": "file-01ke6q8v3c9t0n5w7x2z4b6d8f"}]}

OPERATIONS = {
    "openai_images.generate": Operation(
        "createImage",
        _TAG,
        "Generate pictures and wait for them",
        _ANSWERS,
        _REFUSALS,
        Body(GenerationRequest, examples={"poster": _GENERATION}),
    ),
    "openai_images.edit": Operation(
        "editImage",
        _TAG,
        "Edit pictures and wait for the result",
        _ANSWERS,
        (*_REFUSALS, InvalidImage, FileNotStored),
        Body(EditRequest, media={"multipart/form-data": _EDIT_FORM}, examples={"winter": _EDIT}),
    ),
    "openai_images.models": Operation(
        "listModels",
        _TAG,
        "List models",
        {
            200: Response(
                "the default model under each of its names, and all other models that workers serve",
                ModelPage,
                examples={"one": {"object": "list", "data": [_MODEL]}},
            )
        },
    ),
    "openai_images.model": Operation(
        "getModel",
        _TAG,
        "Read a model",
        {200: Response("the model", ModelResponse, examples={"one": _MODEL})},
        (ModelNotServed,),
    ),
}
