"""Words werkzeug's errors. Its own texts never reach a client: they speak of browsers, and change between versions."""

from flask import Request
from werkzeug.exceptions import HTTPException, MethodNotAllowed

from api.problems.unknown_route import unknown_route
from shared.errors import PayloadTooLarge
from shared.wording.values import one_of, shortened

_BY_STATUS = {
    400: "the request can't be read",
    404: "there is no such route",
    405: "the route does not support the method",
    406: "no response has a media type that the header field Accept allows",
    408: "the request arrived too slowly",
    411: "the request needs the header field Content-Length",
    412: "a condition in the header fields is not met",
    413: "the body is too large",
    414: "the URL is too long",
    415: "the media type of the request can't be used",
    416: "the range in the header field Range is not in the content",
    417: "the header field Expect can only be 100-continue",
    431: "the header fields are too long",
}


# Error codes for werkzeug's errors. werkzeug's phrases change between versions, but our codes must not.
_CODES = {
    400: "bad_request",
    404: "not_found",
    405: "method_not_allowed",
    408: "request_timeout",
    411: "length_required",
    413: PayloadTooLarge.code,
    414: "uri_too_long",
    415: "unsupported_media_type",
    416: "range_not_satisfiable",
    431: "request_header_fields_too_large",
}


def code_for(status: int) -> str:
    """Returns the stable code of an error that has only an HTTP status."""
    return _CODES.get(status, f"http_{status}")


def detail_of(error: HTTPException, request: Request) -> str:
    """Returns what is wrong with a request that werkzeug or a route refused with an HTTP status."""
    if error.code in (400, 405) and request.headers.get("Upgrade", "").lower() == "websocket":
        return "this service has no WebSockets: read the events of a job or batch as server-sent events"
    match error.code:
        case 404:
            return unknown_route(request.path)
        case 405:
            return f"{request.path} does not support the method {request.method}{_instead(error)}"
        case 413:
            return f"the body has more than {request.max_content_length} bytes or {request.max_form_parts} parts"
        case 415:
            return f"{_own(error)}, not {shortened(request.mimetype) or 'a body without Content-Type'}"
    return _own(error)


def words_for(status: int) -> str:
    """Returns what an HTTP status of an error means."""
    return _BY_STATUS.get(status, f"the request was refused with status {status}")


def _own(error: HTTPException) -> str:
    """Returns the description that our code gave the error, or our words for its status. werkzeug's own descriptions
    are attributes of its classes.
    """
    return str(vars(error).get("description") or words_for(error.code or 500))


def _instead(error: HTTPException) -> str:
    methods = sorted(set(error.valid_methods or ()) - {"OPTIONS"}) if isinstance(error, MethodNotAllowed) else []
    return f": use {one_of(methods)}" if methods else ""
