"""Finds where requests start and end on a connection, with gunicorn's parser. Refuses ambiguous requests.

A request is ambiguous if a proxy may read it in another way than this server.
"""

import re
from typing import Any, cast
from urllib.parse import urlsplit

import gevent
from gunicorn.http.body import Body, ChunkedReader, LengthReader
from gunicorn.http.errors import (
    InvalidChunkSize,
    InvalidHeader,
    InvalidRequestLine,
    NoMoreData,
    ParseException,
    UnsupportedTransferCoding,
)
from gunicorn.http.message import Request
from gunicorn.http.parser import RequestParser
from werkzeug.exceptions import BadRequest, ClientDisconnected, HTTPException, RequestEntityTooLarge, RequestTimeout

from api.connections.connection import BodyTooLarge, Connection

# uri-host [ ":" port ], RFC 9110 section 7.2. Empty where the target has no authority.
_HOST = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._~%!$&'()*+,;=-]*)(:[0-9]*)?")
_MAX_DIGITS = 15  # hex digits of a chunk's size: larger than any memory, and still within 64 bits
_DRAIN_BYTES = 64 * 1024
# A body of more than 10,000 chunks needs chunks of at least 64 bytes on average.
_SMALL_CHUNKS, _SMALL_BYTES = 10_000, 64
_TURN = 100  # chunks after which other greenlets run


class StrictRequest(Request):
    """A request whose target, host and body can be read in only one way.

    For any other request, parsing raises a `ParseException`. Its attribute `request` has what was parsed before the
    error.
    """

    def __init__(self, *args: Any) -> None:
        self.line = b""
        self.body: Any = None
        self._expected_100_continue = False
        try:
            super().__init__(*args)
        except ParseException as error:
            error.request = self
            raise

    @property
    def connection(self) -> Connection:
        return cast("Connection", self.unreader.sock)

    def read_line(self, unreader: Any, buf: bytearray, limit: int = 0) -> tuple[bytes, bytearray]:
        try:
            self.line, rest = super().read_line(unreader, buf, limit)
        except ParseException:
            self.line = bytes(buf[:limit]).partition(b"\n")[0]
            raise
        return self.line, rest

    def set_body_reader(self) -> None:
        _check_target(self)
        _check_codings(self)
        super().set_body_reader()
        self.awaits_continue = self._expected_100_continue
        self._expected_100_continue = False  # sent when the app first reads: a refused client needn't send its body
        reader = self.body.reader
        self.body = WholeBody(
            self, _Chunks(self, self.unreader) if isinstance(reader, ChunkedReader) else _Whole(reader)
        )

    def should_close(self) -> bool:
        return super().should_close() or (self.body is not None and self.body.hides_next_request)


class StrictParser(RequestParser):
    """Parses the successive requests of one connection with the strict rules of `StrictRequest`."""

    mesg_class = StrictRequest

    @property
    def has_more(self) -> bool:
        """Returns whether the parser already holds bytes of the next request.

        These bytes arrived together with the previous request.
        """
        return bool(self.unreader.buf.tell())

    def finish_body(self, deadline: float | None = None, max_bytes: int | None = _DRAIN_BYTES) -> bool:
        """Reads and drops the rest of a request body that the app left unread, up to 64 KiB.

        Returns False if the end of the body was not reached. In that case, the server can't find the start of the next
        request on the connection.
        """
        try:
            return bool(super().finish_body(deadline, max_bytes))
        except HTTPException:
            return False


class WholeBody(Body):
    """A request body that raises an error if it is not received completely. Each error leads to an error response."""

    def __init__(self, request: StrictRequest, reader: "_Chunks | _Whole") -> None:
        super().__init__(reader)
        self._request = request

    @property
    def hides_next_request(self) -> bool:
        """Returns whether the connection's next request can't be found behind this body.

        That is so if the rest of the body is unsent, broken, or longer than 64 KiB.
        """
        is_unsent = self._request.awaits_continue and bool(self.reader.left)
        return self.failed or is_unsent or self.reader.left > _DRAIN_BYTES

    def _read_reader(self, size: int) -> bytes:
        if self._request.awaits_continue and self.reader.left:
            self._request.awaits_continue = False
            self._request.connection.send_interim(b"HTTP/1.1 100 Continue\r\n\r\n")
        try:
            return cast("bytes", super()._read_reader(size))
        except TimeoutError as error:
            raise RequestTimeout("the body arrived too slowly") from error
        except BodyTooLarge as error:
            raise RequestEntityTooLarge from error
        except ParseException as error:
            raise BadRequest("the body's chunks can't be parsed") from error
        except OSError as error:
            raise ClientDisconnected("the body was cut short") from error


class _Whole(LengthReader):
    def __init__(self, reader: LengthReader) -> None:
        super().__init__(reader.unreader, reader.length)

    @property
    def left(self) -> int:
        return cast("int", self.length)

    def read(self, size: int) -> bytes:
        wanted = min(self.length, size)
        data: bytes = super().read(size)
        if len(data) < wanted:
            raise NoMoreData(data)
        return data


class _Chunks(ChunkedReader):
    """Reads a chunked request body. Yields to other greenlets every 100 chunks, and refuses many tiny chunks."""

    def __init__(self, request: StrictRequest, unreader: Any) -> None:
        super().__init__(request, unreader)
        self._num_chunks = self._num_bytes = 0

    @property
    def left(self) -> float:
        return float("inf") if self.parser else 0

    def parse_chunk_size(self, unreader: Any, data: bytes | None = None) -> tuple[int, bytes | None]:
        size, rest = super().parse_chunk_size(unreader, data)
        if size >= 16**_MAX_DIGITS:
            raise InvalidChunkSize(b"larger than any body")
        self._num_chunks += 1
        self._num_bytes += size
        if self._num_chunks > _SMALL_CHUNKS and self._num_bytes < _SMALL_BYTES * self._num_chunks:
            raise InvalidChunkSize(b"the chunks are mostly framing")
        if self._num_chunks % _TURN == 0:
            gevent.sleep(0)
        return size, rest


def _check_target(request: StrictRequest) -> None:
    hosts = [value for name, value in request.headers if name == "HOST"]
    if request.version >= (1, 1) and not hosts:
        raise InvalidHeader("HOST")
    if hosts and not _HOST.fullmatch(hosts[0]):
        raise InvalidHeader("HOST")
    if "#" in request.uri:
        raise InvalidRequestLine(request.uri)
    if request.method == "CONNECT" or request.uri == "*" or request.uri.startswith("/"):
        return
    target = urlsplit(request.uri)
    if target.scheme not in ("http", "https") or (hosts and target.netloc.lower() != hosts[0].lower()):
        raise InvalidRequestLine(request.uri)


def _check_codings(request: StrictRequest) -> None:
    codings = [value.strip().lower() for name, value in request.headers if name == "TRANSFER-ENCODING"]
    if len(codings) > 1 or any("," in coding or not coding for coding in codings):
        raise InvalidHeader("TRANSFER-ENCODING")
    if codings and codings != ["chunked"]:
        raise UnsupportedTransferCoding(codings[0])
