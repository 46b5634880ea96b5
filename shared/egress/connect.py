"""Resolves a host name once, checks every address of it, and connects to one. The single look-up prevents DNS
rebinding.
"""

import socket
import ssl
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from ipaddress import ip_address
from typing import Any

import httpcore
import structlog

from shared.addresses import Address, literal
from shared.egress.deadline import Deadline
from shared.egress.errors import EgressRefused
from shared.egress.rules import EgressRules

log = structlog.get_logger()

Resolve = Callable[[str, int], Sequence[Address]]

_WRITE_BYTES = 16 * 1024  # one TLS record; the timeout of an SSL socket starts again with every record


def look_up(host: str, port: int, getaddrinfo: Callable[..., Any] | None = None) -> list[Address]:
    """Returns all addresses of a host name without duplicates, in the resolver's order. Raises `OSError` if the name
    does not resolve.
    """
    found = (getaddrinfo or socket.getaddrinfo)(host, port, type=socket.SOCK_STREAM)
    return [ip_address(text) for text in dict.fromkeys(str(sockaddr[0]) for *_, sockaddr in found)]


class CheckedNetwork(httpcore.NetworkBackend):
    """Opens the connection for one HTTP request, as a network backend of httpcore. Connects only to addresses that the
    egress rules allow.

    Limits the time and the bytes of the request. Raises `EgressRefused` if any address of the host name is not allowed,
    even if others are, because a name with both kinds of addresses is suspicious. Raises `OSError` for network errors.
    `addresses` are the addresses to which it may connect.
    """

    def __init__(self, rules: EgressRules, resolve: Resolve, deadline: Deadline, max_bytes: int) -> None:
        self._rules = rules
        self._resolve = resolve
        self._deadline = deadline
        self._max_bytes = max_bytes
        self.addresses: Sequence[Address] = ()

    def connect_tcp(self, host: str, port: int, *_: object, **__: object) -> httpcore.NetworkStream:
        addresses = self._addresses(host, port)
        for address in addresses:
            try:
                self._rules.check(address, host)
            except EgressRefused as error:  # the caller does not see the address
                log.info("egress.refused", host=host, port=port, address=str(address), error=str(error))
                raise
        self.addresses = addresses
        return CheckedStream(self._connect(addresses, port), self._deadline, self._max_bytes)

    def _addresses(self, host: str, port: int) -> Sequence[Address]:
        address = literal(host)
        if address:
            return [address]
        answer: Future[Sequence[Address]] = Future()
        # If the name server never responds, the look-up takes longer than our timeout. Only its own thread waits then.
        threading.Thread(target=_settle, args=(answer, self._resolve, host, port), daemon=True).start()
        return answer.result(self._deadline.left_s())

    def _connect(self, addresses: Sequence[Address], port: int) -> socket.socket:
        """Connects to the first address that accepts. Each attempt gets an equal share of the remaining time."""
        last_error = OSError("the name has no address")
        for tried, address in enumerate(addresses):
            timeout_s = self._deadline.left_s() / (len(addresses) - tried)
            try:
                return _connect(address, port, timeout_s)
            except OSError as error:
                last_error = error
        raise last_error


class CheckedStream(httpcore.NetworkStream):
    """The connection of one HTTP request. Reads and writes end at the deadline. It reads at most `max_bytes`, headers
    included.
    """

    def __init__(self, connection: socket.socket, deadline: Deadline, max_bytes: int) -> None:
        self._socket = connection
        self._deadline = deadline
        self._bytes_left = max_bytes

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        self._socket.settimeout(self._deadline.left_s())
        # Bytes within the limit are returned before the excess raises, so a reader's own smaller limit applies first.
        data = self._socket.recv(min(max_bytes, max(1, self._bytes_left)))
        if data and not self._bytes_left:
            raise ConnectionAbortedError("the response is too large")
        self._bytes_left -= len(data)
        return data

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        rest = memoryview(buffer)
        try:
            while rest:
                self._socket.settimeout(self._deadline.left_s())
                rest = rest[self._socket.send(rest[:_WRITE_BYTES]) :]
        except TimeoutError:
            raise
        except OSError as error:
            # httpcore handles WriteError by reading: a server that closes early may have sent its response already.
            raise httpcore.WriteError(str(error)) from error

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.NetworkStream:
        try:
            self._socket.settimeout(self._deadline.left_s())
            wrapped = ssl_context.wrap_socket(self._socket, server_hostname=server_hostname)
        except OSError:
            self.close()
            raise
        return CheckedStream(wrapped, self._deadline, self._bytes_left)

    def close(self) -> None:
        self._socket.close()

    def get_extra_info(self, info: str) -> Any:
        return None  # httpcore needs this information only for HTTP/2 and for reused connections


def _settle(answer: Future[Sequence[Address]], resolve: Resolve, host: str, port: int) -> None:
    try:
        answer.set_result(resolve(host, port))
    except Exception as error:  # noqa: BLE001 - the waiting thread raises it again
        answer.set_exception(error)


def _connect(address: Address, port: int, timeout_s: float) -> socket.socket:
    """Connects a socket to an address. `create_connection` is not used, because it would resolve the name again."""
    family = socket.AF_INET if address.version == 4 else socket.AF_INET6
    connection = socket.socket(family, socket.SOCK_STREAM)
    try:
        connection.settimeout(timeout_s)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connection.connect((str(address), port))
    except OSError:
        connection.close()
        raise
    return connection
