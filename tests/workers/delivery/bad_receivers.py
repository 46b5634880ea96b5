"""How a receiver may misbehave: raw bytes on a socket, after the request was read, or before."""

import contextlib
import gzip
import socket
import ssl
import threading
from collections.abc import Iterator, Mapping

import trustme

from tests.shared.egress.servers import Behaviour, answering, endless, resetting, serving

_HUGE = b"HTTP/1.1 200 OK\r\ncontent-length: 100000000\r\n\r\n"
_CHUNKED = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"
_OK = b"HTTP/1.1 200 OK\r\n"
_SETTINGS = b"\x00\x00\x00\x04\x00\x00\x00\x00\x00"  # the frame with which an HTTP/2 server begins


def saying(text: bytes) -> Behaviour:
    """Sends it and closes."""
    return lambda connection: connection.sendall(text)


def stalling(text: bytes = b"") -> Behaviour:
    """Sends it, and nothing more."""

    def behave(connection: socket.socket) -> None:
        connection.sendall(text)
        connection.recv(1)

    return behave


def wishing(retry_after: str, status: str = "503 Busy") -> Behaviour:
    return answering(status, b"", **{"retry-after": retry_after})


BEHAVIOURS: Mapping[str, Behaviour] = {
    "hangs before its answer": stalling(),
    "hangs in the status line": stalling(b"HTTP/1.1 2"),
    "hangs in the head": stalling(_OK + b"x: y\r\n"),
    "hangs in the body": stalling(_HUGE + b"x"),
    "hangs in a chunk": stalling(_CHUNKED + b"ff\r\nx"),
    "hangs after 100": stalling(b"HTTP/1.1 100 Continue\r\n\r\n"),
    "closes without a word": saying(b""),
    "resets before its answer": resetting(),
    "resets in the head": resetting(_OK + b"x:"),
    "resets in the body": resetting(_HUGE + b"x"),
    "closes in the body": saying(_HUGE + b"x"),
    "drips its head": endless(_OK, b"x: y\r\n", 0.02),
    "drips one header": endless(_OK + b"x: ", b"y", 0.02),
    "drips its body": endless(_OK + b"\r\n", b"x", 0.02),
    "sends headers without end": endless(_OK, b"x: " + b"y" * 4096 + b"\r\n"),
    "sends a header without end": endless(_OK + b"x: ", b"y" * 65536),
    "sends 20,000 headers": saying(_OK + b"x: y\r\n" * 20_000 + b"\r\n"),
    "sends a body without end": endless(_OK + b"\r\n", b"x" * 65536),
    "sends a body longer than its length": saying(_OK + b"content-length: 1\r\n\r\n" + b"x" * 65536),
    "sends chunks without end": endless(_CHUNKED, b"1\r\nx\r\n" * 4096),
    "sends a chunk extension without end": endless(_CHUNKED + b"1;", b"x" * 65536),
    "sends trailers without end": endless(_CHUNKED + b"0\r\n", b"x: y\r\n" * 4096),
    "sends a chunk size that is none": saying(_CHUNKED + b"zz\r\nx\r\n"),
    "sends a chunk of 2**80 bytes": saying(_CHUNKED + b"1" + b"0" * 20 + b"\r\nx\r\n"),
    "sends interim answers without end": endless(b"", b"HTTP/1.1 103 Early Hints\r\nlink: <x>\r\n\r\n" * 512),
    "switches protocols": stalling(b"HTTP/1.1 101 Switching Protocols\r\nupgrade: x\r\nconnection: upgrade\r\n\r\n"),
    "names two lengths": saying(_OK + b"content-length: 1\r\ncontent-length: 2\r\n\r\nxx"),
    "names a negative length": saying(_OK + b"content-length: -1\r\n\r\nx"),
    "names a length that is no number": saying(_OK + b"content-length: many\r\n\r\nx"),
    "sends a bomb of gzip": answering("200 OK", gzip.compress(bytes(50_000_000)), **{"content-encoding": "gzip"}),
    "says gzip and sends none": answering("200 OK", b"x", **{"content-encoding": "gzip"}),
    "redirects to itself": answering("302 Found", location="/hook"),
    "redirects to a file": answering("307 Temporary Redirect", location="file:///etc/passwd"),
    "redirects into the machine": answering("301 Moved", location="http://169.254.169.254/latest/meta-data/"),
    "redirects to nothing": answering("308 Permanent Redirect", location=""),
    "speaks HTTP/0.9": saying(b"<html>hello</html>"),
    "speaks HTTP/2": stalling(_SETTINGS),
    "speaks HTTP/3.7": saying(b"HTTP/3.7 200 OK\r\n\r\n"),
    "speaks SMTP": stalling(b"220 mail.example ESMTP\r\n"),
    "speaks in zeros": saying(bytes(1000)),
    "has no status": saying(b"HTTP/1.1\r\n\r\n"),
    "has status 99": saying(b"HTTP/1.1 099 No\r\n\r\n"),
    "has status 999": saying(b"HTTP/1.1 999 Yes\r\n\r\n"),
    "has a status that is no number": saying(b"HTTP/1.1 2OO OK\r\n\r\n"),
    "sends NUL in a header": saying(_OK + b"x: \0\r\n\r\n"),
    "sends a bare CR in a header": saying(_OK + b"x: a\rb\r\n\r\n"),
    "sends a body that is no UTF-8": answering("500 Oops", b"\xff\xfe\x00\xed\xa0\x80" * 100),
    "is gone": answering("410 Gone"),
    "wants nothing but says nothing": answering("204 No Content"),
    "wishes for a moment before the calendar": wishing("Mon, 01 Jan 0001 00:00:00 +2359"),
    "wishes for a moment after the calendar": wishing("Fri, 31 Dec 9999 23:59:59 -2359"),
    "wishes for a huge offset": wishing("Thu, 01 Jan 2026 00:00:00 +99999999999999999999"),
    "wishes for an offset in days": wishing("Thu, 01 Jan 2026 00:00:00 -9999"),
    "wishes for a day that is none": wishing("Thu, 99 Jan 2026 25:61:61 GMT"),
    "wishes for 10**5000 seconds": wishing("9" * 5000),
    "wishes for a negative time": wishing("-1"),
    "wishes for no number": wishing("NaN"),
    "wishes for infinity": wishing("1e999"),
    "wishes for a long word": wishing("x" * 60_000),
    "wishes while it succeeds": wishing("Fri, 31 Dec 9999 23:59:59 -2359", "200 OK"),
    "wishes while it redirects": wishing("Fri, 31 Dec 9999 23:59:59 -2359", "302 Found"),
}
_INSTEAD_OF_TLS = {"speaks plainly instead of TLS": b"HTTP/1.1 400 No\r\n\r\n", "breaks its handshake": b"\x16\x03\x03"}
ALL = (
    *BEHAVIOURS,
    *_INSTEAD_OF_TLS,
    "hangs in the handshake",
    "is certified by nobody",
    "never accepts",
    "is not there",
)


@contextlib.contextmanager
def misbehaving(name: str) -> Iterator[str]:
    """The URL of a receiver of that kind."""
    match name:
        case "hangs in the handshake":
            kind = _hanging_in_the_handshake()
        case "is certified by nobody":
            kind = _certified_by_nobody()
        case "never accepts":
            kind = _never_accepting()
        case "is not there":
            kind = contextlib.nullcontext("http://127.0.0.1:1/")
        case _:
            kind = _greeting(_INSTEAD_OF_TLS[name]) if name in _INSTEAD_OF_TLS else _behaving(BEHAVIOURS[name])
    with kind as url:
        yield url


@contextlib.contextmanager
def _behaving(behave: Behaviour) -> Iterator[str]:
    with serving(behave) as server:
        yield server.url()


@contextlib.contextmanager
def _hanging_in_the_handshake() -> Iterator[str]:
    with serving(saying(b"")) as server:  # which waits for the end of a request
        yield server.url(scheme="https")


@contextlib.contextmanager
def _certified_by_nobody() -> Iterator[str]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    trustme.CA().issue_cert("127.0.0.1").configure_cert(context)
    with serving(answering(), context) as server:
        yield server.url(scheme="https")


@contextlib.contextmanager
def _never_accepting() -> Iterator[str]:
    """Its queue of connections is full."""
    with socket.create_server(("127.0.0.1", 0), backlog=0) as listener, contextlib.ExitStack() as stack:
        for _ in range(2):
            filler = stack.enter_context(socket.socket())
            filler.setblocking(False)
            filler.connect_ex(listener.getsockname())
        yield f"http://127.0.0.1:{listener.getsockname()[1]}/"


@contextlib.contextmanager
def _greeting(text: bytes) -> Iterator[str]:
    """Sends it to the first who connects, in answer to the first bytes, and closes."""
    listener = socket.create_server(("127.0.0.1", 0))

    def greet() -> None:
        with contextlib.suppress(OSError):
            connection, _ = listener.accept()
            with connection:
                connection.recv(65536)
                connection.sendall(text)

    thread = threading.Thread(target=greet)
    thread.start()
    yield f"https://127.0.0.1:{listener.getsockname()[1]}/"
    with contextlib.suppress(OSError):
        listener.shutdown(socket.SHUT_RDWR)
    listener.close()
    thread.join()
