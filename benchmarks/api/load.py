"""Sends a load of HTTP requests over persistent connections, with as little CPU as asyncio allows.

The caller gives path and body.
"""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass

Body = Callable[[int], bytes]


@dataclass(frozen=True, slots=True)
class Load:
    """The outcome of a load: the seconds of each request, and of the whole load."""

    latencies_s: list[float]
    wall_s: float

    @property
    def per_s(self) -> float:
        return len(self.latencies_s) / self.wall_s


def run(port: int, path: str, body: Body, *, num_clients: int, num_requests: int) -> Load:
    """POSTs `body(number)` from `num_clients` clients, each with one request under way, and returns the outcome.

    Fails on any response but 2xx.
    """
    return asyncio.run(_run(port, path, body, num_clients, num_requests))


async def _run(port: int, path: str, body: Body, num_clients: int, num_requests: int) -> Load:
    numbers = iter(range(num_requests))
    latencies_s: list[float] = []
    connections = [await asyncio.open_connection("127.0.0.1", port) for _ in range(num_clients)]

    async def client(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for number in numbers:
            began_s = time.perf_counter()
            writer.write(_request(port, path, body(number)))
            await _read_response(reader)
            latencies_s.append(time.perf_counter() - began_s)
        writer.close()

    began_s = time.perf_counter()
    await asyncio.gather(*(client(*connection) for connection in connections))
    return Load(latencies_s, time.perf_counter() - began_s)


def _request(port: int, path: str, body: bytes) -> bytes:
    head = (
        f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nContent-Type: application/json\r\n"
        f"Content-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


async def _read_response(reader: asyncio.StreamReader) -> bytes:
    head = await reader.readuntil(b"\r\n\r\n")
    status_line, *fields = head.decode("latin-1").split("\r\n")
    lengths = [int(field.partition(":")[2]) for field in fields if field.lower().startswith("content-length:")]
    answer = await reader.readexactly(lengths[0])
    status = status_line.split(" ")[1]
    assert status.startswith("2"), f"{status_line}: {answer[:300]!r}"
    return answer
