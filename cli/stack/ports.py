"""Finds free TCP ports on loopback, below the range from which Linux takes ports for outgoing connections."""

import random
import socket
from collections.abc import Iterator

LOOPBACK = "127.0.0.1"
GRPC_OFFSET = 10_000  # SeaweedFS listens for gRPC this far above each of its HTTP ports

# A port and its gRPC port are both below 32768, where Linux's ephemeral range begins. The two ranges don't overlap.
_CANDIDATES = range(10_000, 20_000)
_given: set[int] = set()  # ports that servers of this process got, and on which they may not listen yet


def free_ports(count: int, *, offset: int = 0) -> tuple[int, ...]:
    """Returns `count` free ports, chosen at random. With `offset`, the ports that are `offset` higher are free as well.

    Never returns the same port twice in one process, because the server for the port may not listen yet. Raises
    `OSError` when the machine has too few free ports.
    """
    found = tuple(port for port, _ in zip(_free(offset), range(count), strict=False))
    if len(found) < count:
        raise OSError(f"no {count} free ports from {_CANDIDATES.start} to {_CANDIDATES.stop - 1} on {LOOPBACK}")
    _given.update(found)
    return found


def reserve(port: int) -> None:
    """Prevents `free_ports` from returning a port that the settings name. Its server may not listen on it yet."""
    _given.add(port)


def is_free(port: int, host: str = LOOPBACK) -> bool:
    """Returns whether a server could listen on the port now. Old connections in the state TIME_WAIT don't matter."""
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError:
            return False
    return True


def _free(offset: int) -> Iterator[int]:
    for port in random.sample(_CANDIDATES, len(_CANDIDATES)):
        if all(each not in _given and is_free(each) for each in {port, port + offset}):
            yield port
