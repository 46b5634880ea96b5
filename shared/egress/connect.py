"""Resolves a name once, checks every address, and connects to one of them. A single look-up prevents DNS rebinding."""

import socket
import ssl
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from ipaddress import ip_address
from typing import Any

import httpcore
import structlog

from shared.egress.addresses import Address, literal
from shared.egress.deadline import Deadline
from shared.egress.errors import EgressRefused
from shared.egress.rules import EgressRules

log = structlog.get_logger()

Resolve = Callable[[str, int], Sequence[Address]]

_WRITE_BYTES = 16 * 1024  # an SSL socket counts its time-out anew for every record


def look_up(host: str, port: int, getaddrinfo: Callable[..., Any] | None = None) -> list[Address]:
    """Returns all addresses of a name without duplicates, in the resolver's order. Raises `OSError` if it does not
    resolve.
    """
    found = (getaddrinfo or socket.getaddrinfo)(host, port, type=socket.SOCK_STREAM)
    return [ip_address(text) for text in dict.fromkeys(str(sockaddr[0]) for *_, sockaddr in found)]


class CheckedNetwork(httpcore.NetworkBackend):
    """httpcore's network for one call: it connects to checked addresses only, with one deadline and a limit of bytes.

    Raises `EgressRefused` when any address of a name is not allowed, even if another is: such a name is suspicious.
    Raises `OSError` for network errors. `addresses` are those that it may connect to.
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
            except EgressRefused as error:  # the caller is not told which address it is
                log.info("egress.refused", host=host, port=port, address=str(address), error=str(error))
                raise
        self.addresses = addresses
        return CheckedStream(self._connect(addresses, port), self._deadline, self._max_bytes)

    def _addresses(self, host: str, port: int) -> Sequence[Address]:
        address = literal(host)
        if address:
            return [address]
        answer: Future[Sequence[Address]] = Future()
        # A name server that never answers holds its look-up for longer than our time-out; nobody else waits for it.
        threading.Thread(target=_settle, args=(answer, self._resolve, host, port), daemon=True).start()
        return answer.result(self._deadline.left_s())

    def _connect(self, addresses: Sequence[Address], port: int) -> socket.socket:
        """Connects to the first address that accepts. Each try gets an equal share of the time left."""
        last_error = OSError("the name has no address")
        for tried, address in enumerate(addresses):
            timeout_s = self._deadline.left_s() / (len(addresses) - tried)
            try:
                return _connect(address, port, timeout_s)
            except OSError as error:
                last_error = error
        raise last_error


class CheckedStream(httpcore.NetworkStream):
    """A socket that reads and writes within the deadline, and reads at most `max_bytes`, headers included."""

    def __init__(self, connection: socket.socket, deadline: Deadline, max_bytes: int) -> None:
        self._socket = connection
        self._deadline = deadline
        self._bytes_left = max_bytes

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        self._socket.settimeout(self._deadline.left_s())
        # What fits is handed over before the rest is an error: a reader with a limit of its own meets that first.
        data = self._socket.recv(min(max_bytes, max(1, self._bytes_left)))
        if data and not self._bytes_left:
            raise ConnectionAbortedError("it sent more than it may")
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
            # httpcore knows this one: whoever closes before it has read us may have answered already.
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
        return None  # what httpcore asks for serves HTTP/2 and kept connections; we have neither


def _settle(answer: Future[Sequence[Address]], resolve: Resolve, host: str, port: int) -> None:
    try:
        answer.set_result(resolve(host, port))
    except Exception as error:  # noqa: BLE001 - it is raised again by the thread that waits
        answer.set_exception(error)


def _connect(address: Address, port: int, timeout_s: float) -> socket.socket:
    """Connects a socket without `create_connection`, which would resolve the name again."""
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
