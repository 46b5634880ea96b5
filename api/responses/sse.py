"""How events are written as a stream of Server-Sent Events."""

import json
from collections.abc import Iterator, Mapping

from flask import Response

OPENING = ": open\n\n"
HEARTBEAT = ":\n\n"
STOPPING = "event: server.stopping\ndata: {}\n\n"  # without an id: the last one is still where to resume


def block(event_id: str, event_type: str, data: Mapping[str, object]) -> str:
    """One event."""
    return f"id: {event_id}\nevent: {event_type}\ndata: {json.dumps(data)}\n\n"


def stream_of(blocks: Iterator[str]) -> Response:
    """The answer. No proxy may hold it back."""
    response = Response(blocks, content_type="text/event-stream")
    response.headers["X-Accel-Buffering"] = "no"
    return response
