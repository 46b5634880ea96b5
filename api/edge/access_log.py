"""Logs one line for every request: method, route, tenant, status, duration and size.

A line never contains a query string, a header field or a body, since these may hold API keys and prompts. Successful
health probes are not logged, since they come every few seconds.
"""

import sys
from datetime import timedelta
from typing import Any

import structlog
from flask import Request, g
from structlog.contextvars import get_contextvars

from api.edge import request_spans

log = structlog.get_logger()

_PROBES = frozenset(("/healthz", "/readyz"))
_ASKED = "gridpress.asked"
_MOST_CHARS = 16  # a logged method is cut to so many characters, since a client may send any text as method


def note_route(request: Request) -> None:
    """Stores the request's route and tenant in the WSGI environment for the log line, which the server writes later.

    Only Flask knows the route and the tenant.
    """
    route = request.url_rule.rule if request.url_rule else None
    request.environ[_ASKED] = (route, g.caller.tenant if "caller" in g else None)


def log_response(response: Any, environ: dict[str, Any], took: timedelta) -> None:
    """Logs a request to which the app has responded, and ends the request's trace span. `response` is gunicorn's.

    gunicorn calls this function in a `finally` block. If an exception is active there, the connection broke while the
    response was sent, and the log line has the field `is_cut_off`.
    """
    route, tenant = environ.get(_ASKED, (None, None))
    status = response.status_code
    if route in _PROBES and status < 400:
        return
    request_spans.end(environ, route, status, get_contextvars())
    cut_off = {"is_cut_off": True} if sys.exception() else {}
    log.info(
        "http.request",
        method=environ["REQUEST_METHOD"][:_MOST_CHARS],
        route=route,
        status=status,
        ms=round(took.total_seconds() * 1000, 1),
        bytes=response.sent,
        tenant=tenant,
        **cut_off,
    )


def log_refusal(method: str | None, status: int, code: str, took_s: float, num_bytes: int) -> None:
    """Logs a request that the server refused before any route ran: it was malformed, too large or too slow."""
    log.info(
        "http.request",
        method=method and method[:_MOST_CHARS],
        route=None,
        status=status,
        ms=round(took_s * 1000, 1),
        bytes=num_bytes,
        tenant=None,
        code=code,
    )
