"""The line that chaos cuts: it passes everything on until it is told otherwise."""

import socket
import threading
from collections.abc import Iterator

import pytest

from tests.chaos.proxy import Proxy

LIMIT_S = 30.0
NOT_SOON_S = 0.2


def _echo(listener: socket.socket) -> None:
    while True:
        try:
            line, _ = listener.accept()
        except OSError:
            return
        with line:
            while data := line.recv(1024):
                line.sendall(data)


@pytest.fixture
def proxy() -> Iterator[Proxy]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=_echo, args=(listener,))
        thread.start()
        with Proxy(listener.getsockname) as made:
            yield made
        listener.shutdown(socket.SHUT_RDWR)
        thread.join()


@pytest.fixture
def line(proxy: Proxy) -> Iterator[socket.socket]:
    with socket.create_connection(("127.0.0.1", proxy.port), timeout=LIMIT_S) as made:
        made.sendall(b"hello")
        assert made.recv(1024) == b"hello"
        yield made


def test_a_cut_line_ends_and_a_new_one_is_taken(proxy: Proxy, line: socket.socket) -> None:
    proxy.cut()
    assert line.recv(1024) == b""
    with socket.create_connection(("127.0.0.1", proxy.port), timeout=LIMIT_S) as again:
        again.sendall(b"back")
        assert again.recv(1024) == b"back"


def test_a_black_hole_says_nothing_and_gives_everything_back(proxy: Proxy, line: socket.socket) -> None:
    proxy.black_hole()
    line.sendall(b"late")
    line.settimeout(NOT_SOON_S)
    with pytest.raises(TimeoutError):
        line.recv(1024)
    proxy.heal()
    line.settimeout(LIMIT_S)
    assert line.recv(1024) == b"late"
