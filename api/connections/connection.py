"""Wraps a client's socket with limits of size and time. Yields to other greenlets while it reads."""

import errno
import socket
import time
from collections.abc import Callable, Mapping
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any

import gevent

from api.connections.shedding import ConnectionShedder

_MIB = 1024 * 1024
_HEAD_BYTES = 64 * 1024
_LINGER_S = 2.0
_SEND_TIMEOUT_S = 60.0  # for each piece; a client that reads nothing for so long counts as disconnected
_PIECE_BYTES = 256 * 1024


class HeadTooLarge(OSError):
    """The head of a request (request line and header fields) exceeds its size limit."""


class BodyTooLarge(OSError):
    """A request's body, with the framing of its chunks, has more than twice the bytes that any route accepts."""


@dataclass(frozen=True, slots=True)
class ConnectionLimits:
    """The time and size limits of a connection.

    `idle_s` is the longest wait for the next request. `request_s` is the time limit for the head of a request (request
    line and header fields). The limit for a body is `request_s`, plus `request_s` for each MiB. `max_body_bytes` is the
    largest body that any route accepts.
    """

    idle_s: float
    request_s: float
    max_body_bytes: int


class Connection:
    """Wraps a client's socket for successive requests, with limits. All other attributes are passed on from the socket.

    `recv` raises `TimeoutError`, `HeadTooLarge` or `BodyTooLarge` when a limit is exceeded. Only the time spent waiting
    for the client counts against the time limits.
    """

    def __init__(self, client: socket.socket, limits: ConnectionLimits, shedder: ConnectionShedder) -> None:
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._client = client
        self._limits = limits
        self._shedder = shedder
        self._held: bytes | None = None
        self._is_head = False
        self._has_read = False
        self.is_idle = True
        self.is_admitted = False  # whether the caller was authenticated; an API without keys admits every caller
        self._endings: list[Callable[[], None]] = []
        self._begun_at = 0.0
        self._left_s = self._s_per_byte = 0.0
        self._bytes_left = 0
        self._excess: type[OSError] = HeadTooLarge
        self.expect_request()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._client, name)

    def expect_request(self, *, is_begun: bool = False) -> None:
        """Sets the connection's time and size limits for the head (request line and header fields) of the next request.

        `is_begun` is true if the first bytes of this request arrived together with the previous request.
        """
        self.is_idle = not is_begun
        self._begun_at = time.monotonic()
        self._limit(self._limits.request_s if is_begun else self._limits.idle_s, _HEAD_BYTES, HeadTooLarge)
        self._shedder.enter(self)

    @property
    def request_s(self) -> float:
        """Returns the number of seconds since the first bytes of the connection's current request arrived."""
        return time.monotonic() - self._begun_at

    def expect_body(self) -> None:
        """Sets the connection's time and size limits for the body of a request whose head has been received."""
        self._shedder.leave(self)
        self.is_idle = self.is_admitted = False
        self._is_head = True
        # Reads up to twice the limit: some clients read the response only after they have sent their whole body.
        self._limit(
            self._limits.request_s, 2 * self._limits.max_body_bytes, BodyTooLarge, self._limits.request_s / _MIB
        )

    def expect_rest(self) -> None:
        """Sets the connection's time and size limits for the rest of a request body that the app left unread.

        After the response, the rest is read and dropped for up to 2 s.
        """
        self._limit(_LINGER_S, 2 * self._limits.max_body_bytes, BodyTooLarge)
        self._shedder.enter(self)

    def hang_up(self, how: int) -> None:
        """Shuts down the socket, so that the greenlet that serves the connection ends.

        `how` is the argument of `shutdown`. `SHUT_RD` ends a greenlet that waits for a request. `SHUT_RDWR` ends a
        greenlet whose client is slow to read a response.
        """
        try:
            self._client.shutdown(how)
        except OSError:
            return

    def recv(self, size: int, flags: int = 0) -> bytes:
        if flags:
            return self._client.recv(size, flags)
        if self._has_read:
            gevent.sleep(0)  # otherwise a client that sends without pause would block all other greenlets
        self._has_read = True
        if self._left_s <= 0:
            raise TimeoutError("the request arrives too slowly")
        asked_at = time.monotonic()
        self._client.settimeout(self._left_s)
        data = self._client.recv(min(size, _PIECE_BYTES))
        self._left_s += len(data) * self._s_per_byte - (time.monotonic() - asked_at)
        self._bytes_left -= len(data)
        if self._bytes_left < 0:
            raise self._excess("the request exceeds the limit")
        if self.is_idle:
            self.is_idle, self._left_s = False, self._limits.request_s
            self._begun_at = time.monotonic()
        return data

    def sendall(self, data: bytes) -> None:
        """Sends data to the client. Raises `ConnectionResetError` when the client reads nothing for 60 s.

        The head of a response (status line and header fields) is not sent at once, but together with the start of the
        body. So a small response takes one system call.
        """
        if self._is_head:
            self._is_head, self._held = False, data
            return
        if self._held is not None:
            data, self._held = self._held + data, None
        self._client.settimeout(_SEND_TIMEOUT_S)
        try:
            for start in range(0, len(data), _PIECE_BYTES):
                with nullcontext() if self.is_admitted else self._shedder.reading(self):
                    self._client.sendall(data[start : start + _PIECE_BYTES])
                if start:
                    gevent.sleep(0)
        except OSError as error:
            if isinstance(error, TimeoutError) or error.errno == errno.EBADF:  # `hang_up` leads to EBADF
                raise ConnectionResetError(errno.ECONNRESET, "the client does not read") from error
            raise

    def at_end_of_request(self, act: Callable[[], None]) -> None:
        """Has `act` called once when the current request has ended: its response was sent, or the client has left."""
        self._endings.append(act)

    def end_request(self) -> None:
        """Calls what `at_end_of_request` has registered for the current request."""
        while self._endings:
            self._endings.pop()()

    def flush(self) -> None:
        """Sends the head of a response that has no body.

        `sendall` holds each head back until the body starts, so a head without a body would never be sent.
        """
        self._is_head = False
        if self._held is not None:
            self.sendall(b"")

    def send_interim(self, data: bytes) -> None:
        """Sends an interim response (status 1xx), such as `100 Continue`, to the client."""
        self._client.settimeout(_SEND_TIMEOUT_S)
        self._client.sendall(data)

    def send_last(self, data: bytes) -> None:
        """Sends a complete response. It replaces a response whose head `sendall` has held back and not yet sent."""
        self._is_head, self._held = False, None
        self.sendall(data)

    def close(self) -> None:
        self._shedder.leave(self)
        self._client.close()

    def _limit(self, left_s: float, num_bytes: int, excess: type[OSError], s_per_byte: float = 0.0) -> None:
        self._left_s = left_s
        self._bytes_left = num_bytes
        self._excess = excess
        self._s_per_byte = s_per_byte


def mark_admitted(environ: Mapping[str, Any]) -> None:
    """Marks the connection that belongs to a WSGI environment as one of an authenticated caller.

    Under load, the server does not close such a connection because its client reads a response slowly.
    """
    if connection := connection_of(environ):
        connection.is_admitted = True


def connection_of(environ: Mapping[str, Any]) -> Connection | None:
    """Returns the connection that belongs to a WSGI environment, or None if another server than ours made it."""
    connection = environ.get("gunicorn.socket")
    return connection if isinstance(connection, Connection) else None
