"""Gives every request an id: the client's `x-request-id` if that is well-formed, otherwise a new one.

The response, every log line about the request, and the stored records of jobs that it creates carry the id.
"""

import re
import uuid
from dataclasses import replace
from typing import cast

from flask import Flask, Response, g, request
from structlog.contextvars import bind_contextvars, clear_contextvars

from api.edge import access_log, request_spans
from shared.tracing.origin import Origin, Trace, log_ids

FIELD = "x-request-id"
_WELL_FORMED = re.compile(r"[A-Za-z0-9][A-Za-z0-9._~:/+=@-]{0,127}")


def install(app: Flask) -> None:
    """Installs the hooks that give every request an id.

    They must precede all other hooks, so that error responses of other hooks have an id as well.
    """
    app.before_request(_assign_id)
    app.after_request(_add_request_id)


def new() -> str:
    """Returns a new random request id."""
    return f"req_{uuid.uuid4().hex}"


def id_of(sent: str | None) -> str:
    """Returns the request id that the client sent, if it is well-formed. Otherwise returns a new id."""
    return sent if sent and _WELL_FORMED.fullmatch(sent) else new()


def origin() -> Origin:
    """Returns the request id and the trace of the current request.

    The jobs and batches that the request creates store both as their origin.
    """
    return cast("Origin", g.origin)


def note_key(key_id: str) -> None:
    """Adds the id of the caller's API key to the origin of the current request, so that usage counts for the key."""
    g.origin = replace(origin(), key_id=key_id)


def _assign_id() -> None:
    sent = Trace.parse(request.headers.get("traceparent"))
    trace = request_spans.begin(request, sent) or sent
    g.origin = Origin(id_of(request.headers.get(FIELD)), trace)
    clear_contextvars()  # drops the log fields of the previous request on this connection
    bind_contextvars(**log_ids(g.origin))


def _add_request_id(response: Response) -> Response:
    response.headers[FIELD] = origin().request_id
    access_log.note_route(request)
    return response
