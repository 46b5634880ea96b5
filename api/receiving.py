"""What a connection sends, in the time and size that a request may take. Understands no HTTP."""

import io
import socket
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

_MIB = 1024 * 1024
_HEAD_BYTES = 64 * 1024


class HeadTooLarge(OSError):
    """A request line and fields beyond all measure."""


class BodyTooLarge(OSError):
    """A body that goes on beyond the limit, or whose chunks are mostly frames."""


@dataclass(frozen=True, slots=True)
class Pace:
    """`idle_s` without a request closes a connection. `request_s` is for a head, and for every MiB of a body."""

    idle_s: float
    request_s: float
    max_body_bytes: int


class Receiver(io.RawIOBase):
    """Reads a connection for one request after the other. Only time in which we wait for the client counts.

    A read raises `TimeoutError`, `HeadTooLarge` or `BodyTooLarge`. `is_cut`: the connection is of no more use, since it
    can't be told where a next request begins. It is in `idle` while it waits for a request.
    """

    def __init__(self, connection: socket.socket, pace: Pace, idle: "set[Receiver]") -> None:
        self._connection = connection
        self._pace = pace
        self._idle = idle
        self.is_cut = False
        self.expect_request()

    def expect_request(self) -> None:
        self._is_idle = True
        self._left_s = self._pace.idle_s
        self._bytes_left = _HEAD_BYTES
        self._excess: type[OSError] = HeadTooLarge
        self._s_per_byte = 0.0

    def expect_body(self) -> None:
        self._left_s = self._pace.request_s
        # What the app refuses is read to its end, within limits, so that its client comes to read the answer.
        self._bytes_left = 2 * self._pace.max_body_bytes
        self._excess = BodyTooLarge
        self._s_per_byte = self._pace.request_s / _MIB

    def hang_up(self) -> None:
        """Whoever waits here for a request reads the end of the connection."""
        self._connection.shutdown(socket.SHUT_RD)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: "WriteableBuffer") -> int:
        if self._is_idle:
            self._idle.add(self)
        try:
            num_bytes = self._receive(buffer)
        except OSError:
            self.is_cut = True
            raise
        finally:
            self._idle.discard(self)
        if self._is_idle:
            self._is_idle, self._left_s = False, self._pace.request_s
        return num_bytes

    def _receive(self, buffer: "WriteableBuffer") -> int:
        if self._left_s <= 0:
            raise TimeoutError("the request comes too slowly")
        asked_at = time.monotonic()
        self._connection.settimeout(self._left_s)
        num_bytes = self._connection.recv_into(buffer)
        self._left_s += num_bytes * self._s_per_byte - (time.monotonic() - asked_at)
        self._bytes_left -= num_bytes
        if self._bytes_left < 0:
            raise self._excess("the request is larger than any may be")
        return num_bytes
