"""An HTTP proxy before the object store that misbehaves as told: it answers wrongly, cuts, resets, hangs or lies."""

import http.client
import random
import socket
import struct
import threading
import time
from collections.abc import Callable, Sequence
from http.server import BaseHTTPRequestHandler
from urllib.parse import urlsplit

from tests.fixtures.http_server import HttpServer, Quiet

HANG_S = 1.0
_LIE = '"d41d8cd98f00b204e9800998ecf8427e"'  # the MD5 of nothing


class FaultyS3(HttpServer):
    """`with FaultyS3(url) as proxy: proxy.misbehave(["reset"], 0.4)`; `seen`: the kinds of fault that requests met."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        assert parts.hostname
        assert parts.port
        self.upstream = (parts.hostname, parts.port)
        self.seen: set[str] = set()
        self._kinds: Sequence[str] = ()
        self._share, self._dice = 0.0, random.Random(14)
        self._lock = threading.Lock()
        super().__init__(type("Handler", (_Handler,), {"proxy": self}))

    def misbehave(self, kinds: Sequence[str], share: float) -> None:
        """That share of the requests from now on, each in one of these ways: lies meet writes only."""
        with self._lock:
            self._kinds, self._share, self.seen = kinds, share, set()

    def heal(self) -> None:
        self.misbehave((), 0.0)

    def next_fault(self, method: str) -> str:
        with self._lock:
            kinds = [kind for kind in self._kinds if method == "PUT" or kind not in LIES]
            if not kinds or self._dice.random() >= self._share:
                return ""
            # Each kind once before any comes twice, so that few requests meet all of them.
            kind = self._dice.choice([kind for kind in kinds if kind not in self.seen] or kinds)
            self.seen.add(kind)
            return kind


class _Handler(Quiet, BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    proxy: FaultyS3

    def _serve(self) -> None:
        FAULTS[self.proxy.next_fault(self.command)](self, self.received())

    do_GET = do_PUT = do_HEAD = do_POST = do_DELETE = _serve  # noqa: N815 - the names that http.server calls

    def forward(self, body: bytes) -> tuple[int, dict[str, str], bytes]:
        """Headers stay as they are: the signature covers the host."""
        upstream = http.client.HTTPConnection(*self.proxy.upstream, timeout=30)
        try:
            upstream.putrequest(self.command, self.path, skip_host=True, skip_accept_encoding=True)
            for name, value in self.headers.items():
                upstream.putheader(name, value)
            upstream.endheaders(body)
            answer = upstream.getresponse()
            return answer.status, dict(answer.getheaders()), answer.read()
        finally:
            upstream.close()

    def reply(self, status: int, headers: dict[str, str], body: bytes) -> None:
        self.send_response_only(status)
        for name, value in headers.items():
            if name.lower() not in ("content-length", "transfer-encoding", "connection"):
                self.send_header(name, value)
        # The length that a HEAD tells is that of the object.
        length = headers.get("Content-Length", "0") if self.command == "HEAD" else str(len(body))
        self.send_header("Content-Length", length)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)


def _passes(handler: _Handler, body: bytes) -> None:
    handler.reply(*handler.forward(body))


def _lies(etag: str) -> Callable[[_Handler, bytes], None]:
    """Stores nothing and says that it did."""

    def answer(handler: _Handler, _: bytes) -> None:
        handler.reply(200, {"ETag": etag} if etag else {}, b"")

    return answer


def _answers(status: int) -> Callable[[_Handler, bytes], None]:
    return lambda handler, _: handler.reply(status, {}, b"")


def _resets(handler: _Handler, _: bytes) -> None:
    handler.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    handler.close_connection = True
    handler.connection.close()


def _hangs(handler: _Handler, _: bytes) -> None:
    time.sleep(HANG_S)
    handler.close_connection = True


def _cuts(handler: _Handler, body: bytes) -> None:
    """Does as asked, and stops in the middle of saying so.

    The headers are all that a HEAD is told: a length of the cut body's would be a lie, which is another kind.
    """
    status, _, told = handler.forward(body)
    if handler.command == "HEAD":
        handler.close_connection = True
        return
    handler.send_response_only(status)
    handler.send_header("Content-Length", str(len(told) + 100))
    handler.end_headers()
    handler.wfile.write(told[: len(told) // 2])
    handler.close_connection = True


def _dawdles(handler: _Handler, body: bytes) -> None:
    time.sleep(HANG_S / 5)
    _passes(handler, body)


LIES = {
    "wrong ETag": _lies(_LIE),
    "no ETag": _lies(""),
    "ETag of another kind": _lies('"an-opaque-one"'),
}
FAULTS: dict[str, Callable[[_Handler, bytes], None]] = {
    "": _passes,
    **LIES,
    "503": _answers(503),
    "500": _answers(500),
    "403": _answers(403),
    "reset": _resets,
    "hang": _hangs,
    "cut": _cuts,
    "slow": _dawdles,
}
