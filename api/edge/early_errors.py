"""Creates the error responses to requests that the server refuses before any route runs.

Each response has the format of the path's API: the service's own, OpenAI's or Z.ai's.
"""

from contextlib import suppress
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote, urlsplit

from gunicorn.http.errors import (
    ExpectationFailed,
    LimitRequestHeaders,
    LimitRequestLine,
    ParseException,
    UnsupportedTransferCoding,
)

from api.connections.connection import HeadTooLarge
from api.edge import request_ids
from api.edge.security_headers import FIELDS
from api.problems.formats import error_response
from api.problems.problem import problem


@dataclass(frozen=True, slots=True)
class Refusal:
    """The error response to a refused request: HTTP status, reason phrase, error code and detail.

    `code` is not derived from the phrase, since Python's phrases differ between versions.
    """

    status: int
    phrase: str
    code: str
    detail: str


_BAD = Refusal(400, "Bad Request", "bad_request", "the request is not valid HTTP/1.1, or can be read in two ways")
_UNEXPECTED = Refusal(
    500, "Internal Server Error", "internal_error", "an internal error: the request was not processed"
)
_LARGE = Refusal(
    431, "Request Header Fields Too Large", "request_header_fields_too_large", "the header fields exceed the limit"
)
_BY_ERROR: tuple[tuple[type[Exception], Refusal], ...] = (
    (LimitRequestLine, Refusal(414, "URI Too Long", "uri_too_long", "the request line exceeds the limit")),
    (LimitRequestHeaders, _LARGE),
    (HeadTooLarge, _LARGE),
    (ExpectationFailed, Refusal(417, "Expectation Failed", "expectation_failed", "Expect can only be 100-continue")),
    (
        UnsupportedTransferCoding,
        Refusal(501, "Not Implemented", "not_implemented", "Transfer-Encoding can only be chunked"),
    ),
    (TimeoutError, Refusal(408, "Request Timeout", "request_timeout", "the request arrived too slowly")),
    (ParseException, _BAD),
)


def refusal_of(error: Exception) -> Refusal:
    """Returns the error response to a request whose parsing raised `error`. For an unknown error, the status is 500."""
    return next((refusal for kind, refusal in _BY_ERROR if isinstance(error, kind)), _UNEXPECTED)


def id_of(error: Exception) -> str:
    """Returns the request id for the response to a refused request.

    It is the id that the client sent if it was parsed, otherwise a new one.
    """
    sent = [value for name, value in getattr(_request_of(error), "headers", ()) if name == request_ids.FIELD.upper()]
    return request_ids.id_of(sent[0] if len(sent) == 1 else None)


def method_of(error: Exception) -> str | None:
    """Returns the HTTP method of a refused request, or None if the method was not parsed."""
    method: str | None = getattr(_request_of(error), "method", None)
    return method


def response(error: Exception, request_id: str) -> bytes:
    """Returns the complete HTTP error response to a refused request, as bytes.

    The server closes the connection after this response.
    """
    refusal, path = refusal_of(error), _path(_request_of(error))
    text, content_type = error_response(problem(refusal.status, refusal.code, refusal.detail, path), path)
    body = text.encode()
    fields = {
        "Content-Type": content_type,
        "Content-Length": str(len(body)),
        request_ids.FIELD: request_id,
        "Connection": "close",
        **FIELDS,
    }
    head = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
    return f"HTTP/1.1 {refusal.status} {refusal.phrase}\r\n{head}\r\n".encode() + body


def _request_of(error: Exception) -> Any:
    return getattr(error, "request", None)


def _path(request: Any) -> str:
    """Returns the path of a refused request, or `/` if the path was not parsed."""
    words = request.line.decode("latin-1").split(" ", 2) if request else []
    with suppress(ValueError):
        return unquote(urlsplit(words[1]).path) or "/" if len(words) > 1 else "/"
    return "/"
