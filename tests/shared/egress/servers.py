"""Servers on loopback that misbehave as told, and name servers that lie."""

import contextlib
import re
import socket
import ssl
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from ipaddress import ip_address

from shared.addresses import Address
from shared.egress.rules import LOOPBACK, AllowList, EgressRules

# As `gridpress up` has them before the first key.
OPEN = EgressRules(allowed_while_open=AllowList.read(LOOPBACK, "LOOPBACK"), is_open=lambda: True)
STRICT = EgressRules()

Behaviour = Callable[[socket.socket], None]


@dataclass
class Server:
    """Does the same to everybody who connects, and keeps what each of them sent."""

    port: int
    heard: list[bytes] = field(default_factory=list)
    closed: threading.Event = field(default_factory=threading.Event)

    def url(self, host: str = "127.0.0.1", scheme: str = "http") -> str:
        return f"{scheme}://{host}:{self.port}/hook?order=17"


@contextlib.contextmanager
def serving(behave: Behaviour, tls: ssl.SSLContext | None = None) -> Iterator[Server]:
    """`behave` runs on a thread of its own for each connection, after the request was read."""
    listener = socket.create_server(("127.0.0.1", 0))
    server = Server(listener.getsockname()[1])
    threads: list[threading.Thread] = []

    def talk(connection: socket.socket) -> None:
        with contextlib.suppress(OSError), connection:  # a client that hangs up is what most of these tests are about
            talking = tls.wrap_socket(connection, server_side=True) if tls else connection
            with talking:
                server.heard.append(_request(talking))
                behave(talking)
        server.closed.set()

    def accept() -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _ = listener.accept()
                connection.settimeout(30)
                threads.append(threading.Thread(target=talk, args=(connection,)))
                threads[-1].start()

    acceptor = threading.Thread(target=accept)
    acceptor.start()
    try:
        yield server
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        for thread in (acceptor, *threads):
            thread.join()


def _request(connection: socket.socket) -> bytes:
    heard = b""
    while b"\r\n\r\n" not in heard:
        heard += connection.recv(65536) or b"\r\n\r\n"
    head, _, content = heard.partition(b"\r\n\r\n")
    length = re.search(rb"content-length: (\d+)", head, re.IGNORECASE)
    while length and len(content) < int(length[1]):
        content += connection.recv(65536)
    return head + b"\r\n\r\n" + content


def answering(status: str = "200 OK", body: bytes = b"", **headers: str) -> Behaviour:
    head = [f"HTTP/1.1 {status}", f"content-length: {len(body)}", *(f"{k}: {v}" for k, v in headers.items())]
    whole = "\r\n".join(head).encode() + b"\r\n\r\n" + body
    return lambda connection: connection.sendall(whole)


def endless(head: bytes, drop: bytes, between_s: float = 0.0) -> Behaviour:
    """Sends `head`, then `drop` for ever."""

    def behave(connection: socket.socket) -> None:
        connection.sendall(head)
        pause = threading.Event()
        while True:
            connection.sendall(drop)
            pause.wait(between_s)

    return behave


def resetting(head: bytes = b"") -> Behaviour:
    """Sends `head` and then RST instead of FIN."""

    def behave(connection: socket.socket) -> None:
        connection.sendall(head)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        connection.close()

    return behave


@dataclass
class Names:
    """A name server whose answers change: one list of addresses for each time it is asked."""

    answers: list[Sequence[str]]
    asked: list[str] = field(default_factory=list)

    def __call__(self, host: str, port: int) -> list[Address]:
        self.asked.append(host)
        return [ip_address(text) for text in self.answers.pop(0)]
