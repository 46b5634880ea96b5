"""OpenAPI entries of Z.ai's routes, each under both path prefixes (`/paas/v4` and `/api/paas/v4`)."""

from api.openapi.operation import Body, Operation, Refusals, Response
from api.problems.errors import ForbiddenModel
from api.problems.zai import ContentRejected, JobNotMade, ModelNotServed, StillRendering
from api.zai.routes import PREFIXES
from api.zai.schemas import ImageRequest, ImagesResponse, TaskResponse
from shared.errors import JobNotFound, ObjectStoreUnavailable, QueueFull, StoreFull, TenantBeingErased

_TAG = "Z.ai"
_LINK = {"url": "https://s3.example.com/gridpress/jobs/job_01ke6q8v3c9t0n5w7x2z4b6d8f/0/4f3a.png?X-Amz-Signature=9f"}
_TASK = {
    "id": "job_01ke6q8v3c9t0n5w7x2z4b6d8f",
    "model": "zai-org/GLM-Image",
    "request_id": "order-1047",
    "task_status": "PROCESSING",
}
_DONE = {**_TASK, "task_status": "SUCCESS", "image_result": [_LINK]}
_BODY = Body(
    ImageRequest,
    examples={
        "poster": {
            "model": "glm-image",
            "prompt": 'A tea deps poster that says "Open late"',
            "size": "1280x1280",
            "quality": "hd",
            "request_id": "order-1047",
        }
    },
)
_REFUSALS: Refusals = (ModelNotServed, ForbiddenModel, TenantBeingErased, QueueFull, StoreFull)


def _operations(prefix: str, suffix: str) -> dict[str, Operation]:
    """Returns the OpenAPI entries of Z.ai's routes under the path `prefix`.

    `suffix` makes their operationIds unique.
    """
    blueprint = f"zai{prefix.replace('/', '_')}"
    task = Response("the task", TaskResponse, examples={"processing": _TASK, "success": _DONE})
    pictures = Response(
        "the pictures",
        ImagesResponse,
        examples={"one": {"created": 1_767_605_424, "data": [_LINK], "content_filter": []}},
    )
    return {
        f"{blueprint}.generate": Operation(
            f"zaiGenerate{suffix}",
            _TAG,
            "Render pictures and wait for them",
            {200: pictures},
            (*_REFUSALS, StillRendering, JobNotMade, ContentRejected, ObjectStoreUnavailable),
            _BODY,
        ),
        f"{blueprint}.begin": Operation(
            f"zaiBegin{suffix}", _TAG, "Render pictures in the background", {200: task}, _REFUSALS, _BODY
        ),
        f"{blueprint}.result": Operation(
            f"zaiResult{suffix}", _TAG, "Read the status of a task", {200: task}, (JobNotFound,)
        ),
    }


OPERATIONS = {
    name: operation
    for prefix, suffix in zip(PREFIXES, ("", "Api"), strict=True)
    for name, operation in _operations(prefix, suffix).items()
}
