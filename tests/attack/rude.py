"""Rude clients: each attack keeps on for a few seconds, then lets go. They ask `127.0.0.1` and nobody else."""

import contextlib
import selectors
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager

_HEAD = b"Host: localhost\r\n"
_HEALTH = b"GET /healthz HTTP/1.1\r\n" + _HEAD + b"\r\n"
_DOCUMENT = b"GET /openapi.json HTTP/1.1\r\n" + _HEAD + b"\r\n"
_POST = b"POST /v1/jobs HTTP/1.1\r\n" + _HEAD + b"Content-Type: application/json\r\n"
_TIMEOUT_S = 10.0
_DROP_S = 0.2
_AT_ONCE, _BETWEEN_S = 50, 0.05  # a thousand new connections a second
_MOST_BACK = 20  # connections in that time: a flood of new ones is for a firewall to stop

_OPENING = threading.Lock()  # one crowd at a time, so that the rate holds for all together

Attack = Callable[[int, float], None]


def pipelined(port: int, lasts_s: float) -> None:
    """30,000 requests on one connection, sent before any is answered, and the answers read as they come."""
    with _connected(port) as connection, _until(lasts_s) as over:
        reader = threading.Thread(target=_read_all, args=(connection, over))
        reader.start()
        with contextlib.suppress(OSError):
            connection.sendall(_HEALTH * 30_000)
        over.wait()
        connection.shutdown(socket.SHUT_RDWR)
        reader.join()


def tiny_chunks(port: int, lasts_s: float) -> None:
    """A body of a million chunks of one byte, again and again."""
    _sent_again(port, lasts_s, _POST + b"Transfer-Encoding: chunked\r\n\r\n" + b"1\r\n \r\n" * 1_000_000)


def small_chunks(port: int, lasts_s: float) -> None:
    """Chunks that are just large enough not to be refused."""
    chunk = b"40\r\n" + b" " * 64 + b"\r\n"
    _sent_again(port, lasts_s, _POST + b"Transfer-Encoding: chunked\r\n\r\n" + chunk * 300_000)


def many_idle(port: int, lasts_s: float) -> None:
    """2,100 connections that say nothing; of those that are closed, some come back."""
    with _crowd(port, 2_100, b"") as crowd, _until(lasts_s) as over:
        while not over.wait(_DROP_S):
            crowd.send(b"")


def slow_heads(port: int, lasts_s: float) -> None:
    """500 heads that never end."""
    with _crowd(port, 500, b"GET /healthz HTTP/1.1\r\n") as crowd, _until(lasts_s) as over:
        while not over.wait(_DROP_S):
            crowd.send(b"X: a\r\n")


def slow_bodies(port: int, lasts_s: float) -> None:
    """200 bodies that never end."""
    with _crowd(port, 200, _POST + b"Content-Length: 1000000\r\n\r\n") as crowd, _until(lasts_s) as over:
        while not over.wait(_DROP_S):
            crowd.send(b" ")


def never_reading(port: int, lasts_s: float) -> None:
    """50 clients that ask for some megabytes each and read none of it."""
    with _crowd(port, 50, _DOCUMENT * 10) as crowd, _until(lasts_s) as over:
        while not over.wait(_DROP_S):
            crowd.send(b"")


def heads_in_bytes(port: int, lasts_s: float) -> None:
    """Heads that come byte by byte, as fast as they can."""
    with _crowd(port, 20, b"GET /healthz HTTP/1.1\r\nX: ") as crowd, _until(lasts_s) as over:
        while not over.is_set():
            crowd.send(b"a")


def large_bodies_unread(port: int, lasts_s: float) -> None:
    """Bodies of 60 MB for a route that is none."""
    head = b"POST /v1/nothing HTTP/1.1\r\n" + _HEAD + b"Content-Length: 60000000\r\n\r\n"
    _sent_again(port, lasts_s, head + b" " * 60_000_000)


ALONE: tuple[Attack, ...] = (
    pipelined,
    tiny_chunks,
    small_chunks,
    many_idle,
    slow_heads,
    slow_bodies,
    never_reading,
    heads_in_bytes,
    large_bodies_unread,
)


def together(port: int, lasts_s: float) -> None:
    """All of them at once."""
    threads = [threading.Thread(target=attack, args=(port, lasts_s)) for attack in ALONE]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


class _Crowd:
    """Connections that opened with the same words. Some of those that were closed come back."""

    def __init__(self, port: int, num: int, opening: bytes, held: ExitStack) -> None:
        self._port = port
        self._opening = opening
        self._held = held
        self._connections: list[socket.socket] = []
        for number in range(num):
            self._connections.append(self._new())
            if number % _AT_ONCE == 0:
                with _OPENING:
                    time.sleep(_BETWEEN_S)

    def send(self, more: bytes) -> None:
        num_back = 0
        for number, connection in enumerate(self._connections):
            try:
                if connection.recv(1, socket.MSG_PEEK) == b"":
                    raise ConnectionResetError
            except BlockingIOError:
                pass
            except OSError:
                if num_back < _MOST_BACK:
                    num_back += 1
                    connection.close()
                    self._connections[number] = self._new()
                continue
            with contextlib.suppress(OSError):
                self._connections[number].send(more)

    def _new(self) -> socket.socket:
        connection = self._held.enter_context(socket.socket())
        connection.setblocking(False)
        connection.connect_ex(("127.0.0.1", self._port))
        with contextlib.suppress(OSError):
            connection.send(self._opening)
        return connection


@contextmanager
def _crowd(port: int, num: int, opening: bytes) -> Iterator[_Crowd]:
    with ExitStack() as held:
        yield _Crowd(port, num, opening, held)


@contextmanager
def _connected(port: int) -> Iterator[socket.socket]:
    with socket.create_connection(("127.0.0.1", port), timeout=_TIMEOUT_S) as connection:
        yield connection


@contextmanager
def _until(lasts_s: float) -> Iterator[threading.Event]:
    over = threading.Event()
    timer = threading.Timer(lasts_s, over.set)
    timer.start()
    try:
        yield over
    finally:
        timer.cancel()
        timer.join()


def _sent_again(port: int, lasts_s: float, request: bytes) -> None:
    """Sends as much of it as the server takes, reads what it says, and begins anew."""
    ends_at = time.monotonic() + lasts_s
    while time.monotonic() < ends_at:
        with _connected(port) as connection:
            _exchange(connection, memoryview(request), ends_at)


def _exchange(connection: socket.socket, left: memoryview, ends_at: float) -> None:
    connection.setblocking(False)
    with selectors.DefaultSelector() as selector:
        selector.register(connection, selectors.EVENT_READ | selectors.EVENT_WRITE)
        while time.monotonic() < ends_at:
            for _, events in selector.select(_DROP_S):
                try:
                    if events & selectors.EVENT_READ and not connection.recv(65_536):
                        return
                    if events & selectors.EVENT_WRITE and left:
                        left = left[connection.send(left[:65_536]) :]
                except BlockingIOError:
                    continue
                except OSError:
                    return
            if not left:
                selector.modify(connection, selectors.EVENT_READ)


def _read_all(connection: socket.socket, over: threading.Event) -> None:
    with contextlib.suppress(OSError):
        while not over.is_set() and connection.recv(65_536):
            pass
