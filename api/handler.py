"""Speaks HTTP on one connection, by gevent's handler: stricter, with limits, and what it refuses is a problem."""

import errno
import io
import re
import socket
from collections.abc import Mapping
from contextlib import suppress
from email import errors as defects
from http import HTTPStatus
from http.client import HTTPException
from types import TracebackType
from typing import Any
from urllib.parse import unquote, urlsplit

import structlog
from gevent import GreenletExit, Timeout
from gevent.pywsgi import Input, WSGIHandler

from api import request_ids
from api.dialects import told
from api.hardening import FIELDS
from api.problems import problem
from api.receiving import BodyTooLarge, HeadTooLarge, Receiver
from api.waiting import SOCKET
from shared.errors import PayloadTooLarge

log = structlog.get_logger()

_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")  # a field's name, RFC 9110 section 5.6.2
_DIGITS = re.compile(r"[0-9]{1,18}")
# The parser finds more to complain of, such as that a multipart body does not stand among the fields.
_DEFECTS = (
    defects.FirstHeaderLineIsContinuationDefect,
    defects.InvalidHeaderDefect,
    defects.MissingHeaderBodySeparatorDefect,
)
_LINGER_S = 2.0
_SEND_TIMEOUT_S = 60.0  # for each piece; a client that takes none of it has gone without a word
_SEND_BYTES = 256 * 1024


class Malformed(ValueError):
    """A request that is not HTTP/1.1 as it should be, or could be read in two ways."""


class Handler(WSGIHandler):
    """One connection of `api.server`, from its first request to its last."""

    def __init__(self, connection: socket.socket, address: Any, server: Any) -> None:
        super().__init__(connection, address, server)
        # An answer may go out in several writes, and none must wait until the one before is acknowledged.
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._receiver = Receiver(connection, server.pace, server.idle)
        self._head, self._is_head = bytearray(), False
        self.rfile = io.BufferedReader(self._receiver)

    def handle_one_request(self) -> bool | None:
        """See the base class. The connection ends with the server, and when its next request can't be told any more."""
        if self.server.is_draining:
            return None
        self._unchunked: bytes | None = None
        self.requestline = ""
        self._receiver.expect_request()
        outcome = super().handle_one_request()
        if isinstance(outcome, tuple):
            self._part(self._refusal(414, "the request line is too long") if outcome[0] == "414" else outcome[1])
        elif self._receiver.is_cut:
            self._part()
        else:
            return outcome
        return None

    def read_request(self, raw_requestline: str) -> bool:
        """Raises `Malformed` and what the base class raises."""
        super().read_request(raw_requestline)
        if self.request_version == "HTTP/0.9":
            raise Malformed("the request line names no version of HTTP")
        is_broken = any(isinstance(defect, _DEFECTS) for defect in self.headers.defects)
        if is_broken or not all(_TOKEN.fullmatch(name) for name in self.headers):
            raise Malformed("a header field has no name, or none that may be")
        lengths = self.headers.get_all("content-length", [])
        if len(lengths) > 1 or not all(map(_DIGITS.fullmatch, lengths)):
            raise Malformed("Content-Length is not one number")
        if [coding.lower() for coding in self.headers.get_all("transfer-encoding", ["chunked"])] != ["chunked"]:
            raise Malformed("the only Transfer-Encoding is chunked")
        self._receiver.expect_body()
        if "transfer-encoding" in self.headers:
            self._unchunked = self._unchunk()
        return True

    def get_environ(self) -> dict[str, Any]:
        environ = {**super().get_environ(), SOCKET: self.socket}
        if self._unchunked is not None:
            environ |= {"wsgi.input": io.BytesIO(self._unchunked), "CONTENT_LENGTH": str(len(self._unchunked))}
        return environ

    def _unchunk(self) -> bytes:
        """A body without a length, which gets one: the limits go by that. What is beyond them is cut one byte later."""
        del self.headers["transfer-encoding"]
        is_awaited = self.headers.get("expect", "").lower() == "100-continue"
        body = Input(self.rfile, None, self.socket if is_awaited else None, chunked_input=True)
        most = self.server.pace.max_body_bytes
        data: bytes = body.read(most + 1)
        self._receiver.is_cut = len(data) > most
        return data

    def _part(self, last_words: bytes = b"") -> None:
        """Takes what the client still sends: closing at once would take the answer from it, unread."""
        with suppress(OSError), Timeout(_LINGER_S, False):
            self.socket.sendall(last_words)
            self.socket.shutdown(socket.SHUT_WR)
            while self.socket.recv(_SEND_BYTES):
                pass

    def log_request(self) -> None:
        """Says nothing: what a request did is told by whoever did it."""

    def _write_with_headers(self, data: bytes) -> None:
        """The head of an answer waits for the start of its body: a small answer is one call to the system, not two."""
        self._is_head = True
        super()._write_with_headers(data)
        if self._head:
            self._sendall(b"")

    def _sendall(self, data: bytes | bytearray) -> None:
        """Raises `ConnectionResetError`, on which the base class ends silently, for a client that takes nothing."""
        if self._is_head:
            self._is_head, self._head = False, bytearray(data)
            return
        if self._head:
            data, self._head = self._head + data, bytearray()
        self.socket.settimeout(_SEND_TIMEOUT_S)
        try:
            for start in range(0, len(data), _SEND_BYTES):
                super()._sendall(data[start : start + _SEND_BYTES])
        except TimeoutError as error:
            raise ConnectionResetError(errno.ECONNRESET, "the client takes nothing") from error

    def _handle_client_error(self, error: Exception) -> tuple[str, bytes]:
        status, detail = _fault(error)
        return str(status), self._refusal(status, detail)

    def _send_error_response_if_possible(self, error_code: int) -> None:
        self.close_connection = True
        if not self.response_length:
            status, headers, body = self._parts(error_code, "the request could not be answered")
            self.start_response(status, list(headers.items()))
            self.write(body)

    def _log_error(self, kind: type[BaseException], error: BaseException, traceback: TracebackType) -> None:
        if not issubclass(kind, GreenletExit):  # a request that outlives the grace period of a stopping server
            log.error("request.broken_off", path=self.path, exc_info=(kind, error, traceback))

    def _refusal(self, status: int, detail: str) -> bytes:
        line, headers, body = self._parts(status, detail)
        head = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        return f"HTTP/1.1 {line}\r\n{head}\r\n".encode() + body

    def _parts(self, status: int, detail: str) -> tuple[str, Mapping[str, str], bytes]:
        phrase = HTTPStatus(status).phrase
        code = PayloadTooLarge.code if status == PayloadTooLarge.http_status else phrase.lower().replace(" ", "_")
        path = _path(self.requestline)
        text, content_type = told(problem(status, code, detail, path), path)
        body = text.encode()
        about_it = {
            "Content-Type": content_type,
            "Content-Length": str(len(body)),
            request_ids.FIELD: request_ids.new(),
        }
        return f"{status} {phrase}", {**about_it, "Connection": "close", **FIELDS}, body


def _path(request_line: str) -> str:
    """As far as it is known: `/` where the line says nothing."""
    words = request_line.split(maxsplit=2)
    with suppress(ValueError):
        return unquote(urlsplit(words[1]).path) or "/" if len(words) > 1 else "/"
    return "/"


def _fault(error: Exception) -> tuple[int, str]:
    """Status and detail of what a client did wrong before the app saw its request."""
    match error:
        case TimeoutError():
            return 408, "the request came too slowly"
        case HeadTooLarge() | HTTPException():
            return 431, "the request has more header fields than any may have"
        case BodyTooLarge():
            return 413, "the body is larger than the limit"
        case Malformed():
            return 400, str(error)
    return 400, "the request is not HTTP/1.1"
