"""Silence drops what a role and a store say to each other and closes nothing; a cut ends connections at once."""

import socket
import threading
from collections.abc import Callable, Iterator

import pytest

from tests.chaos import namespaces
from tests.chaos.network import Network
from tests.chaos.schedule import STORES, Way

ROLE, OTHER = "dit-0", "ar-0"
STORE = STORES[0]
LIMIT_S = 30.0
NOT_SOON_S = 0.2


def _echo_forever(listener: socket.socket) -> None:
    def echo(line: socket.socket) -> None:
        with line:
            while data := line.recv(1024):
                line.sendall(data)

    while True:
        try:
            line, _ = listener.accept()
        except OSError:
            return
        threading.Thread(target=echo, args=(line,), daemon=True).start()


@pytest.fixture
def server() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=_echo_forever, args=(listener,))
        thread.start()
        yield listener
        listener.shutdown(socket.SHUT_RDWR)
        thread.join()


@pytest.fixture(params=["namespaces", "proxies"])
def network(
    server: socket.socket, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Network]:
    if request.param == "proxies":
        monkeypatch.setattr(namespaces, "are_possible", lambda: False)
    elif not namespaces.are_possible():
        pytest.skip("this process may make no network namespace")
    with Network([ROLE, OTHER], lambda _: server.getsockname()) as made:
        assert made.has_machines == (request.param == "namespaces")
        yield made


@pytest.fixture
def line_of(network: Network) -> Iterator[Callable[[str], socket.socket]]:
    opened: list[socket.socket] = []

    def connect(role: str) -> socket.socket:
        line = network.connect_as(role, STORE)
        line.settimeout(LIMIT_S)
        opened.append(line)
        line.sendall(b"hello")
        assert line.recv(1024) == b"hello"
        return line

    yield connect
    for line in opened:
        line.close()


@pytest.mark.parametrize("where", [ROLE, STORE])
@pytest.mark.parametrize("way", list(Way))
def test_a_silent_way_passes_nothing_closes_nothing_and_gives_everything_back(
    network: Network, line_of: Callable[[str], socket.socket], where: str, way: Way
) -> None:
    line = line_of(ROLE)
    heal = network.silence(where, way)
    line.sendall(b"late")
    line.settimeout(NOT_SOON_S)
    with pytest.raises(TimeoutError):
        line.recv(1024)
    heal()
    line.settimeout(LIMIT_S)
    assert line.recv(1024) == b"late"


def test_a_silent_role_is_nobody_elses_business(network: Network, line_of: Callable[[str], socket.socket]) -> None:
    network.silence(ROLE, Way.BOTH)
    line_of(OTHER)


def test_a_way_is_silent_until_the_last_of_its_silences_is_over(
    network: Network, line_of: Callable[[str], socket.socket]
) -> None:
    line = line_of(ROLE)
    heal_role, heal_store = network.silence(ROLE, Way.BOTH), network.silence(STORE, Way.TO)
    heal_role()
    line.sendall(b"late")
    line.settimeout(NOT_SOON_S)
    with pytest.raises(TimeoutError):
        line.recv(1024)
    heal_store()
    line.settimeout(LIMIT_S)
    assert line.recv(1024) == b"late"


def test_a_cut_ends_a_roles_connections(network: Network, line_of: Callable[[str], socket.socket]) -> None:
    line = line_of(ROLE)
    network.cut(ROLE)
    assert line.recv(1024) == b""
