"""Gives every request an id, which its answer carries and every line that it logs."""

import uuid

from flask import Flask, Response, g
from structlog.contextvars import bind_contextvars, clear_contextvars

FIELD = "x-request-id"


def install(app: Flask) -> None:
    """Before all other hooks, so that what they refuse has an id, too."""
    app.before_request(_name)
    app.after_request(_tell)


def new() -> str:
    """An id that no request had."""
    return f"req_{uuid.uuid4().hex}"


def _name() -> None:
    g.request_id = new()
    clear_contextvars()  # of the request before on this connection
    bind_contextvars(request_id=g.request_id)


def _tell(response: Response) -> Response:
    response.headers[FIELD] = g.request_id
    return response
