"""A client's connection, with limits of size and time, that lets other greenlets run while it reads."""

import errno
import socket
import time
from collections.abc import Mapping
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any

import gevent

from api.server.connection_limits import Lobby

_MIB = 1024 * 1024
_HEAD_BYTES = 64 * 1024
_LINGER_S = 2.0
_SEND_TIMEOUT_S = 60.0  # for each piece; a client that takes none of it has gone without a word
_PIECE_BYTES = 256 * 1024


class HeadTooLarge(OSError):
    """The request line and header fields exceed their limit."""


class BodyTooLarge(OSError):
    """The body exceeds its limit, or its chunks are mostly framing."""


@dataclass(frozen=True, slots=True)
class Pace:
    """Time limits of a connection. `idle_s` is the wait for a request; `request_s` is for a head, and for each MiB of a
    body.
    """

    idle_s: float
    request_s: float
    max_body_bytes: int


class Connection:
    """Wraps a client's socket, for one request after the other. Other attributes are the socket's.

    `recv` raises `TimeoutError`, `HeadTooLarge` or `BodyTooLarge`. Only time spent waiting for the client counts.
    """

    def __init__(self, client: socket.socket, pace: Pace, lobby: Lobby) -> None:
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._client = client
        self._pace = pace
        self._lobby = lobby
        self._held: bytes | None = None
        self._is_head = False
        self._has_read = False
        self.is_idle = True
        self.is_admitted = False  # whether the request came with a key, or needs none where there is none
        self._begun_at = 0.0
        self._left_s = self._s_per_byte = 0.0
        self._bytes_left = 0
        self._excess: type[OSError] = HeadTooLarge
        self.expect_request()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._client, name)

    def expect_request(self, *, is_begun: bool = False) -> None:
        """Sets the limits for a request's head. `is_begun`: its first bytes came with the request before."""
        self.is_idle = not is_begun
        self._begun_at = time.monotonic()
        self._limit(self._pace.request_s if is_begun else self._pace.idle_s, _HEAD_BYTES, HeadTooLarge)
        self._lobby.enter(self)

    @property
    def request_s(self) -> float:
        """The seconds since the first bytes of the request under way."""
        return time.monotonic() - self._begun_at

    def expect_body(self) -> None:
        """Sets the limits for a body, once the head is complete."""
        self._lobby.leave(self)
        self.is_idle = self.is_admitted = False
        self._is_head = True
        # A body over the limit is read on for a while, so that its client comes to read the response.
        self._limit(self._pace.request_s, 2 * self._pace.max_body_bytes, BodyTooLarge, self._pace.request_s / _MIB)

    def expect_rest(self) -> None:
        """Sets the limits for the rest of a body, which is read for a moment after the response and dropped."""
        self._limit(_LINGER_S, 2 * self._pace.max_body_bytes, BodyTooLarge)
        self._lobby.enter(self)

    def hang_up(self, how: int) -> None:
        """Shuts down reading, so that a greenlet that waits for a request sees the end of the connection; or both ways
        for one that waits for its client to read.
        """
        try:
            self._client.shutdown(how)
        except OSError:
            return

    def recv(self, size: int, flags: int = 0) -> bytes:
        if flags:
            return self._client.recv(size, flags)
        if self._has_read:
            gevent.sleep(0)  # a client that always has more to read would keep the loop for itself
        self._has_read = True
        if self._left_s <= 0:
            raise TimeoutError("the request comes too slowly")
        asked_at = time.monotonic()
        self._client.settimeout(self._left_s)
        data = self._client.recv(min(size, _PIECE_BYTES))
        self._left_s += len(data) * self._s_per_byte - (time.monotonic() - asked_at)
        self._bytes_left -= len(data)
        if self._bytes_left < 0:
            raise self._excess("the request is over the limit")
        if self.is_idle:
            self.is_idle, self._left_s = False, self._pace.request_s
            self._begun_at = time.monotonic()
        return data

    def sendall(self, data: bytes) -> None:
        """Sends data. Raises `ConnectionResetError` when the client takes nothing.

        A response's head is held until its body starts, so that a small response is one system call, not two.
        """
        if self._is_head:
            self._is_head, self._held = False, data
            return
        if self._held is not None:
            data, self._held = self._held + data, None
        self._client.settimeout(_SEND_TIMEOUT_S)
        try:
            for start in range(0, len(data), _PIECE_BYTES):
                with nullcontext() if self.is_admitted else self._lobby.reading(self):
                    self._client.sendall(data[start : start + _PIECE_BYTES])
                if start:
                    gevent.sleep(0)
        except OSError as error:
            if isinstance(error, TimeoutError) or error.errno == errno.EBADF:  # the latter after `hang_up`
                raise ConnectionResetError(errno.ECONNRESET, "the client takes nothing") from error
            raise

    def flush(self) -> None:
        """Sends a held head, for a response without a body."""
        self._is_head = False
        if self._held is not None:
            self.sendall(b"")

    def send_interim(self, data: bytes) -> None:
        """Sends an interim response, such as 100 Continue."""
        self._client.settimeout(_SEND_TIMEOUT_S)
        self._client.sendall(data)

    def send_last(self, data: bytes) -> None:
        """Sends a whole response and drops a held head."""
        self._is_head, self._held = False, None
        self.sendall(data)

    def close(self) -> None:
        self._lobby.leave(self)
        self._client.close()

    def _limit(self, left_s: float, num_bytes: int, excess: type[OSError], s_per_byte: float = 0.0) -> None:
        self._left_s = left_s
        self._bytes_left = num_bytes
        self._excess = excess
        self._s_per_byte = s_per_byte


def tell_server_of_caller(environ: Mapping[str, Any]) -> None:
    """Notes that the request with this WSGI environment was admitted, so that its connection is no stranger's."""
    connection = environ.get("gunicorn.socket")
    if isinstance(connection, Connection):
        connection.is_admitted = True
