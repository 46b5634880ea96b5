"""Error responses to requests that reach no route: problem details in the format of the path's API."""

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

from api.edge import request_ids
from api.edge.security_headers import FIELDS
from api.problems.dialects import told
from api.problems.handlers import problem
from api.server.connection import HeadTooLarge


@dataclass(frozen=True, slots=True)
class Refusal:
    """The status, code and detail of an error response.

    `code` is ours, since Python's phrases differ between versions.
    """

    status: int
    phrase: str
    code: str
    detail: str


_BAD = Refusal(400, "Bad Request", "bad_request", "the request is not HTTP/1.1, or could be read in two ways")
_SURPRISE = Refusal(500, "Internal Server Error", "internal_error", "the request could not be answered")
_LARGE = Refusal(
    431, "Request Header Fields Too Large", "request_header_fields_too_large", "the header fields are over the limit"
)
_BY_ERROR: tuple[tuple[type[Exception], Refusal], ...] = (
    (LimitRequestLine, Refusal(414, "URI Too Long", "uri_too_long", "the request line is over the limit")),
    (LimitRequestHeaders, _LARGE),
    (HeadTooLarge, _LARGE),
    (ExpectationFailed, Refusal(417, "Expectation Failed", "expectation_failed", "Expect can only be 100-continue")),
    (
        UnsupportedTransferCoding,
        Refusal(501, "Not Implemented", "not_implemented", "the only Transfer-Encoding is chunked"),
    ),
    (TimeoutError, Refusal(408, "Request Timeout", "request_timeout", "the request came too slowly")),
    (ParseException, _BAD),
)


def refusal_of(error: Exception) -> Refusal:
    """Returns the refusal of a request whose head raised `error`."""
    return next((refusal for kind, refusal in _BY_ERROR if isinstance(error, kind)), _SURPRISE)


def id_of(error: Exception) -> str:
    """Returns the id of the refused request: its own, if its head could be read so far."""
    sent = [value for name, value in getattr(_request_of(error), "headers", ()) if name == request_ids.FIELD.upper()]
    return request_ids.id_of(sent[0] if len(sent) == 1 else None)


def method_of(error: Exception) -> str | None:
    """Returns the method of the refused request, as far as its head could be read."""
    method: str | None = getattr(_request_of(error), "method", None)
    return method


def response(error: Exception, request_id: str) -> bytes:
    """Returns the whole response as bytes. The connection is closed after it."""
    refusal, path = refusal_of(error), _path(_request_of(error))
    text, content_type = told(problem(refusal.status, refusal.code, refusal.detail, path), path)
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
    """Returns the request's path, as far as it could be parsed; else `/`."""
    words = request.line.decode("latin-1").split(" ", 2) if request else []
    with suppress(ValueError):
        return unquote(urlsplit(words[1]).path) or "/" if len(words) > 1 else "/"
    return "/"
