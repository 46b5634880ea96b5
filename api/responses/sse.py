"""Formats events as Server-Sent Events, and creates the response that streams them."""

import json
from collections.abc import Iterator, Mapping

from flask import Response

from api.edge.authentication import hold_stream

OPENING = ": open\n\n"
HEARTBEAT = ":\n\n"
LIMIT = "event: stream.limit\ndata: {}\n\n"  # as STOPPING: the job goes on, and the client reconnects
STOPPING = "event: server.stopping\ndata: {}\n\n"  # has no id, so that clients resume after the event before


def block(event_id: str, event_type: str, data: Mapping[str, object]) -> str:
    """Formats one event as a Server-Sent Event with JSON data, and returns the text.

    An event without an id leaves the point at which clients resume as it is.
    """
    id_line = f"id: {event_id}\n" if event_id else ""
    return f"{id_line}event: {event_type}\ndata: {json.dumps(data)}\n\n"


def stream_of(blocks: Iterator[str]) -> Response:
    """Returns a response that streams the events, with a header field that stops proxies from buffering it.

    Raises `TenantLimitReached` if the caller's tenant has as many open streams as it may have.
    """
    hold_stream()
    response = Response(blocks, content_type="text/event-stream")
    response.headers["X-Accel-Buffering"] = "no"
    return response
