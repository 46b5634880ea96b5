"""Names every request: by the id that its client sent, where that is well-formed, else by a new one.

The response carries it, every line that is logged about the request, and the record of what it causes.
"""

import re
import uuid
from typing import cast

from flask import Flask, Response, g, request
from structlog.contextvars import bind_contextvars, clear_contextvars

from api.edge import access_log, request_spans
from shared.tracing.origin import Origin, Trace, log_ids

FIELD = "x-request-id"
_WELL_FORMED = re.compile(r"[A-Za-z0-9][A-Za-z0-9._~:/+=@-]{0,127}")


def install(app: Flask) -> None:
    """Before all other hooks, so that what they refuse has an id, too."""
    app.before_request(_name)
    app.after_request(_tell)


def new() -> str:
    """An id that no request had."""
    return f"req_{uuid.uuid4().hex}"


def id_of(sent: str | None) -> str:
    """Returns the id that the client sent, if it is well-formed; else a new one."""
    return sent if sent and _WELL_FORMED.fullmatch(sent) else new()


def origin() -> Origin:
    """Returns the current request as the origin of what it causes."""
    return cast("Origin", g.origin)


def _name() -> None:
    sent = Trace.parse(request.headers.get("traceparent"))
    trace = request_spans.begin(request, sent) or sent
    g.origin = Origin(id_of(request.headers.get(FIELD)), trace)
    clear_contextvars()  # of the request before on this connection
    bind_contextvars(**log_ids(g.origin))


def _tell(response: Response) -> Response:
    response.headers[FIELD] = origin().request_id
    access_log.note(request)
    return response
