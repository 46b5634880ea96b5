"""Turns every error of a route into an error response, in the format of RFC 9457, OpenAI or Z.ai.

No response contains a traceback or an internal address.
"""

import errno
from collections.abc import Mapping

import structlog
from flask import Flask, Response, request
from werkzeug.exceptions import HTTPException

from api.problems.errors import IdempotencyKeyReused, MissingScope, Unauthorized
from api.problems.formats import error_response
from api.problems.http_errors import code_for, detail_of
from api.problems.problem import Problem, problem
from api.problems.wording import problem_of
from api.rate_limit_fields import refusal_fields
from api.services import services
from shared.errors import (
    GridpressError,
    ServiceBusy,
    TenantLimitReached,
)
from shared.metrics.catalogue import HTTP_REFUSALS

log = structlog.get_logger()

CONTENT_TYPE = "application/problem+json"

# Resources that a machine may lack temporarily: disk space for a large body, file descriptors, memory.
_TEMPORARY_ERRNOS = frozenset((errno.ENOSPC, errno.EDQUOT, errno.EMFILE, errno.ENFILE, errno.ENOMEM))


def register(app: Flask) -> None:
    """Registers the Flask error handlers that turn every error of the app into an error response."""
    app.register_error_handler(GridpressError, _on_gridpress_error)
    app.register_error_handler(HTTPException, _on_http_exception)
    app.register_error_handler(OSError, _on_os_error)
    app.register_error_handler(Exception, _on_unexpected_error)


def _on_gridpress_error(error: GridpressError) -> Response:
    if error.http_status >= 500:
        log.warning("request.failed", path=request.path, code=error.code, error=str(error))
    return _respond(problem_of(error, request.path), _header_fields(error))


def _header_fields(error: GridpressError) -> Mapping[str, str]:
    if isinstance(error, Unauthorized | MissingScope):
        return {"WWW-Authenticate": error.challenge}
    if isinstance(error, TenantLimitReached):
        return refusal_fields(error.refusal)
    if isinstance(error, IdempotencyKeyReused):
        return {"x-should-retry": "false"}  # a header field that OpenAI's client reads
    if error.retryable:
        return {"Retry-After": str(error.retry_after_s)}
    # Without this field OpenAI's client would retry every 409 and 5xx, even if `retryable` is false.
    return {"x-should-retry": "false"} if error.http_status == 409 or error.http_status >= 500 else {}


def _on_http_exception(error: HTTPException) -> Response:
    status = error.code or 500
    response = _respond(problem(status, code_for(status), detail_of(error, request), request.path))
    for name, value in error.get_headers():
        if name in ("Accept-Encoding", "Allow", "Content-Range", "Retry-After"):
            response.headers[name] = value
    return response


def _on_os_error(error: OSError) -> Response:
    if error.errno not in _TEMPORARY_ERRNOS:
        return _on_unexpected_error(error)
    log.error("request.machine_lacks", path=request.path, error=str(error))
    return _on_gridpress_error(ServiceBusy("the service lacks disk space, memory or file descriptors; try again"))


def _on_unexpected_error(error: Exception) -> Response:
    log.error("request.crashed", path=request.path, exc_info=error)
    services().fault_counts.add("request.crashed")
    return _respond(problem(500, "internal_error", "an internal error of the service", request.path))


def _respond(what: Problem, fields: Mapping[str, str] | None = None) -> Response:
    HTTP_REFUSALS.labels(what.code).inc()
    body, content_type = error_response(what, request.path)
    return Response(body, what.status, fields, content_type=content_type)
