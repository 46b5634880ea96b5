"""Runs webhook receivers on loopback that misbehave, with one URL for each kind, in a process of their own."""

import asyncio
import contextlib
import json
import ssl
import subprocess
import sys
from collections.abc import Awaitable, Callable, Iterator, Sequence

import trustme

from benchmarks.receivers import refusing_url

Talk = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
_DRIP_S = 0.5


@contextlib.contextmanager
def bad_receivers() -> Iterator[Sequence[str]]:
    """Starts the receivers and yields their URLs. They listen until the block ends."""
    with subprocess.Popen(
        [sys.executable, "-m", "benchmarks.bad_receivers"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    ) as process:
        assert process.stdout
        try:
            yield json.loads(process.stdout.readline())
        finally:
            process.kill()


def _saying(text: bytes) -> Talk:
    """Returns a handler that reads the request, sends this text and closes the connection."""

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(65536)
        writer.write(text)
        await writer.drain()

    return talk


async def _hang(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
    while await reader.read(65536):
        pass


async def _drip(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.read(65536)
    writer.write(b"HTTP/1.1 200 OK\r\nx: ")
    while True:
        writer.write(b"y")
        await writer.drain()
        await asyncio.sleep(_DRIP_S)


async def _send_without_end(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.read(65536)
    writer.write(b"HTTP/1.1 200 OK\r\nx: ")
    while True:
        writer.write(b"y" * 65536)
        await writer.drain()


async def _listen(scheme: str, talk: Talk, tls: ssl.SSLContext | None = None) -> str:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):  # the client closed the connection
            await talk(reader, writer)
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0, backlog=2048, ssl=tls)
    await server.start_serving()
    _SERVERS.append(server)
    return f"{scheme}://127.0.0.1:{server.sockets[0].getsockname()[1]}/hook"


_SERVERS: list[asyncio.Server] = []  # keeps references, because a server without one is closed


async def _serve() -> None:
    unproven = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    trustme.CA().issue_cert("127.0.0.1").configure_cert(unproven)
    urls = [
        refusing_url(),
        await _listen("http", _saying(b"HTTP/1.1 500 Oops\r\ncontent-length: 0\r\n\r\n")),
        await _listen("http", _saying(b"")),
        await _listen("http", _saying(b"HTTP/1.1 200 OK\r\nx:")),
        await _listen("http", _hang),
        await _listen("http", _drip),
        await _listen("http", _send_without_end),
        await _listen("https", _hang),
        await _listen("https", _saying(b"HTTP/1.1 400 No\r\n\r\n")),
        await _listen("https", _hang, unproven),
    ]
    print(json.dumps(urls), flush=True)
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(_serve())
