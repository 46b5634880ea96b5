"""One line for every request: what was asked of which route, by whom, and what came of it.

Never a query string, a header field or a body: they may hold keys and prompts. Successful health probes are left out,
since they come every few seconds and say nothing.
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
_MOST_CHARS = 16  # of a method, which a client may invent


def note(request: Request) -> None:
    """Keeps what only Flask knows of the request for its line."""
    route = request.url_rule.rule if request.url_rule else None
    request.environ[_ASKED] = (route, g.caller.tenant if "caller" in g else None)


def tell_answered(response: Any, environ: dict[str, Any], took: timedelta) -> None:
    """Logs a request that the app has answered. `response` is gunicorn's. In a `finally`: an error of the connection
    may be under way.
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


def tell_refused(method: str | None, status: int, code: str, took_s: float, num_bytes: int) -> None:
    """Logs a request that reached no route, since it was no HTTP, too large or too slow."""
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
