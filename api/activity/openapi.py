"""OpenAPI entry of the stream of all events of a tenant."""

from api.openapi.fields import LAST_EVENT_ID
from api.openapi.media import event_stream
from api.openapi.operation import Operation, Response
from shared.errors import InvalidRequest

_EXAMPLE = (
    "id: 1767605400000-0\nevent: render.progress\n"
    'data: {"job_id": "job_01ke6q8v3c9t0n5w7x2z4b6d8f", "index": 0, "stage": "dit", "done": 12, "total": 50}\n\n'
)

OPERATIONS = {
    "activity.stream": Operation(
        "streamAllEvents",
        "Jobs",
        "Follow all jobs",
        {200: Response("Server-Sent Events of all jobs of the tenant", media=event_stream("progress", _EXAMPLE))},
        (InvalidRequest,),
        fields=(LAST_EVENT_ID,),
    ),
}
