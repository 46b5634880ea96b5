"""The line that chaos cuts: it passes everything on until it is told otherwise."""

import socket
import threading
from collections.abc import Iterator

import pytest

from tests.chaos.proxy import Proxy
from tests.chaos.schedule import Way

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
        with Proxy(lambda: socket.create_connection(listener.getsockname())) as made:
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


@pytest.mark.parametrize("way", list(Way))
def test_a_silent_line_says_nothing_and_gives_everything_back(proxy: Proxy, line: socket.socket, way: Way) -> None:
    proxy.drop(way)
    line.sendall(b"late")
    line.settimeout(NOT_SOON_S)
    with pytest.raises(TimeoutError):
        line.recv(1024)
    proxy.pass_on(way)
    line.settimeout(LIMIT_S)
    assert line.recv(1024) == b"late"
