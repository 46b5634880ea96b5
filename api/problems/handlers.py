"""Turns every error into RFC 9457 problem details. No traceback or internal address leaves the process."""

import errno
from collections.abc import Mapping, Sequence

import structlog
from flask import Flask, Response, request
from pydantic import BaseModel
from werkzeug.exceptions import HTTPException

from api.edge.limit_fields import refusal_fields
from api.openai.errors import JobNotMade
from api.problems.dialects import told
from api.problems.errors import IdempotencyKeyReused, MissingScope, Unauthorized
from api.services import services
from shared.errors import (
    GridpressError,
    ObjectStoreUnavailable,
    PayloadTooLarge,
    ServiceBusy,
    StoreUnavailable,
    TenantLimitReached,
)
from shared.intake.fields import FieldError
from shared.metrics.catalogue import HTTP_REFUSALS

log = structlog.get_logger()

CONTENT_TYPE = "application/problem+json"

# Of what werkzeug refuses. Its own phrases change with its versions, and codes never do.
_CODES = {
    400: "bad_request",
    404: "not_found",
    405: "method_not_allowed",
    408: "request_timeout",
    411: "length_required",
    413: PayloadTooLarge.code,
    414: "uri_too_long",
    415: "unsupported_media_type",
    431: "request_header_fields_too_large",
}

# What a machine may lack for a while: room for a large body, a descriptor, memory.
_LACKS = frozenset((errno.ENOSPC, errno.EDQUOT, errno.EMFILE, errno.ENFILE, errno.ENOMEM))

_MAX_CHARS = 500  # of anything that a caller sent and gets quoted back

# An outage in words that hold no address of ours.
_OUTAGES = {
    StoreUnavailable.code: "the job store does not answer; try again",
    ObjectStoreUnavailable.code: "the object store does not answer; try again",
}


class Problem(BaseModel):
    """RFC 9457 problem details. `code` is stable; `field` is the first of `errors`, named as the caller wrote it."""

    type: str
    title: str
    status: int
    detail: str
    instance: str
    code: str
    field: str | None
    retryable: bool
    errors: list[FieldError]


def problem(
    status: int,
    code: str,
    detail: str,
    instance: str,
    *,
    field: str | None = None,
    retryable: bool = False,
    errors: Sequence[FieldError] = (),
) -> Problem:
    """Makes a problem; its type and title derive from its code."""
    return Problem(
        type=f"urn:gridpress:problem:{code}",
        title=code.replace("_", " ").capitalize(),
        status=status,
        detail=detail[:_MAX_CHARS],
        instance=instance[:_MAX_CHARS],
        code=code,
        field=field[:_MAX_CHARS] if field else None,
        retryable=retryable,
        errors=[FieldError(field=error.field and error.field[:_MAX_CHARS], message=error.message) for error in errors],
    )


def register(app: Flask) -> None:
    """Registers handlers that turn every error of the app into a problem."""
    app.register_error_handler(GridpressError, _on_gridpress_error)
    app.register_error_handler(HTTPException, _on_http_exception)
    app.register_error_handler(OSError, _on_os_error)
    app.register_error_handler(Exception, _on_surprise)


def _on_gridpress_error(error: GridpressError) -> Response:
    if error.http_status >= 500:
        log.warning("request.failed", path=request.path, code=error.code, error=str(error))
    return _respond(
        problem(
            error.http_status,
            error.code,
            _detail(error),
            request.path,
            field=getattr(error, "field", None),
            retryable=error.retryable,
            errors=getattr(error, "errors", ()),
        ),
        _header_fields(error),
    )


def _header_fields(error: GridpressError) -> Mapping[str, str]:
    if isinstance(error, Unauthorized | MissingScope):
        return {"WWW-Authenticate": error.challenge}
    if isinstance(error, TenantLimitReached):
        return refusal_fields(error.refusal)
    if isinstance(error, IdempotencyKeyReused):
        return {"x-should-retry": "false"}  # in the words of OpenAI's client
    if error.retryable:
        return {"Retry-After": str(error.retry_after_s)}
    # OpenAI's client would try a conflict or a failure again, whatever we say of it.
    return {"x-should-retry": "false"} if error.http_status == 409 or error.http_status >= 500 else {}


def _detail(error: GridpressError) -> str:
    """Returns the detail, which names the field, so that it is complete when only `detail` is shown."""
    if error.http_status >= 500 and not isinstance(error, JobNotMade):
        return _OUTAGES.get(error.code, str(error) if error.http_status == 503 else "an error of the service itself")
    field = getattr(error, "field", None)
    return str(error) if not field or field in str(error) else f"{field}: {error}"


def _on_http_exception(error: HTTPException) -> Response:
    status = error.code or 500
    code = _CODES.get(status, f"http_{status}")
    response = _respond(problem(status, code, _http_detail(error), request.path))
    for name, value in error.get_headers():
        if name in ("Allow", "Retry-After"):
            response.headers[name] = value
    return response


def _http_detail(error: HTTPException) -> str:
    match error.code:
        case 404:
            return f"nothing answers at {request.path}"
        case 405:
            return f"{request.method} can't be used at {request.path}"
        case 413:
            return f"the body has more than {request.max_content_length} bytes or {request.max_form_parts} parts"
    return error.description or error.name


def _on_os_error(error: OSError) -> Response:
    if error.errno not in _LACKS:
        return _on_surprise(error)
    log.error("request.machine_lacks", path=request.path, error=str(error))
    return _on_gridpress_error(ServiceBusy("the service has no room for this request now; try again"))


def _on_surprise(error: Exception) -> Response:
    log.error("request.crashed", path=request.path, exc_info=error)
    services().fault_counts.add("request.crashed")
    return _respond(problem(500, "internal_error", "an error of the service itself", request.path))


def _respond(what: Problem, fields: Mapping[str, str] | None = None) -> Response:
    HTTP_REFUSALS.labels(what.code).inc()
    body, content_type = told(what, request.path)
    return Response(body, what.status, fields, content_type=content_type)
