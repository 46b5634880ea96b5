"""Free ports."""

import socket
from pathlib import Path

import pytest

from cli.stack import ports
from cli.stack.ports import LOOPBACK, free_ports, is_free


def listen(port: int = 0) -> socket.socket:
    server = socket.create_server((LOOPBACK, port))
    server.listen()
    return server


def test_ports_are_different_and_nobody_listens_on_them() -> None:
    found = free_ports(8)
    assert len(set(found)) == 8
    assert all(is_free(port) for port in found)


def test_a_port_that_somebody_listens_on_is_not_free() -> None:
    with listen() as server:
        assert not is_free(server.getsockname()[1])


def test_a_port_is_passed_over_when_its_neighbour_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    first, second = free_ports(2, offset=10_000)
    monkeypatch.setattr(ports, "_CANDIDATES", range(min(first, second), max(first, second) + 1))
    with listen(first + 10_000):
        assert first not in free_ports(1, offset=10_000)


def test_no_port_is_given_twice_nor_one_that_somebody_named(monkeypatch: pytest.MonkeyPatch) -> None:
    first, second, named = free_ports(3)
    monkeypatch.setattr(ports, "_given", set())
    monkeypatch.setattr(ports, "_CANDIDATES", [first, second, named])
    ports.reserve(named)
    assert set(free_ports(1) + free_ports(1)) == {first, second}


def test_a_machine_without_free_ports_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    taken = free_ports(1)[0]
    monkeypatch.setattr(ports, "_CANDIDATES", range(taken, taken + 1))
    monkeypatch.setattr(ports, "_given", set())
    with listen(taken), pytest.raises(OSError, match="no 1 free ports"):
        free_ports(1)


def test_ports_lie_below_those_of_outgoing_connections() -> None:
    ephemeral = int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])
    assert max(free_ports(4, offset=ports.GRPC_OFFSET)) + ports.GRPC_OFFSET < ephemeral


def test_a_port_that_somebody_named_is_no_neighbour_of_another(monkeypatch: pytest.MonkeyPatch) -> None:
    port = free_ports(1, offset=ports.GRPC_OFFSET)[0]
    monkeypatch.setattr(ports, "_given", set())
    monkeypatch.setattr(ports, "_CANDIDATES", range(port, port + 1))
    ports.reserve(port + ports.GRPC_OFFSET)
    with pytest.raises(OSError, match="no 1 free ports"):
        free_ports(1, offset=ports.GRPC_OFFSET)
