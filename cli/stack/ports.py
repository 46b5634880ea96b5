"""Free TCP ports on loopback. Keeps below the range from which Linux takes ports for outgoing connections."""

import random
import socket
from collections.abc import Iterator

LOOPBACK = "127.0.0.1"
GRPC_OFFSET = 10_000  # SeaweedFS listens for gRPC this far above each of its HTTP ports

# A port and its gRPC neighbour both lie under 32768, where Linux's ephemeral range begins, and never meet each other.
_CANDIDATES = range(10_000, 20_000)
_given: set[int] = set()  # to servers of this process, which may not listen yet


def free_ports(count: int, *, offset: int = 0) -> tuple[int, ...]:
    """Different ports that nobody listens on, chosen at random; with `offset`, port + offset is free as well.

    None comes twice in the life of this process: whoever was given it may not listen yet. Raises `OSError` when the
    machine has too few.
    """
    found = tuple(port for port, _ in zip(_free(offset), range(count), strict=False))
    if len(found) < count:
        raise OSError(f"no {count} free ports from {_CANDIDATES.start} to {_CANDIDATES.stop - 1} on {LOOPBACK}")
    _given.update(found)
    return found


def set_aside(port: int) -> None:
    """`free_ports` leaves this one alone: it is named by somebody who will listen there."""
    _given.add(port)


def is_free(port: int, host: str = LOOPBACK) -> bool:
    """Whether a server could listen on the port now. Connections that are only dying (TIME_WAIT) don't count."""
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
