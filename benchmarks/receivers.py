"""Runs two webhook receivers on loopback for benchmarks: one records when each id first arrived, and one hangs."""

import asyncio
import re
import socket
import threading
import time
from collections.abc import Mapping
from typing import Self

_RESPONSE = b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
_ID = re.compile(rb"webhook-id: (\S+)", re.IGNORECASE)
_LENGTH = re.compile(rb"content-length: (\d+)", re.IGNORECASE)


class Receivers:
    """Runs both receivers on one thread while the block lasts."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._servers: list[asyncio.Server] = []
        self._moments: dict[str, float] = {}
        self._changed = threading.Condition()
        self.url = self.hanging_url = ""

    def __enter__(self) -> Self:
        self._thread.start()
        self.url = self._listen(self._note)
        self.hanging_url = self._listen(_hang)
        return self

    def __exit__(self, *_: object) -> None:
        asyncio.run_coroutine_threadsafe(self._close(), self._loop).result()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def clear(self) -> None:
        with self._changed:
            self._moments.clear()

    def wait_for(self, num: int, limit_s: float) -> Mapping[str, float]:
        """Waits until `num` webhooks have arrived.

        Returns the time of the first arrival of each (`time.time()`), by id.
        """
        with self._changed:
            assert self._changed.wait_for(lambda: len(self._moments) >= num, limit_s), len(self._moments)
            return dict(self._moments)

    def _listen(self, talk: object) -> str:
        serving = asyncio.start_server(talk, "127.0.0.1", 0, backlog=2048)  # type: ignore[arg-type]
        server = asyncio.run_coroutine_threadsafe(serving, self._loop).result()
        self._servers.append(server)
        return f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/hook"

    async def _close(self) -> None:
        for server in self._servers:
            server.close()
        talking = asyncio.all_tasks() - {asyncio.current_task()}
        for task in talking:
            task.cancel()
        await asyncio.gather(*talking, return_exceptions=True)

    async def _note(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        moment, found, length = time.time(), _ID.search(head), _LENGTH.search(head)
        assert found
        assert length
        await reader.readexactly(int(length[1]))
        with self._changed:
            self._moments.setdefault(found[1].decode(), moment)
            self._changed.notify_all()
        writer.write(_RESPONSE)
        await writer.drain()
        writer.close()


async def _hang(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while await reader.read(65536):
            pass
    finally:
        writer.close()


def refusing_url() -> str:
    """Returns a URL with a port on which no process listens any more."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return f"http://127.0.0.1:{listener.getsockname()[1]}/hook"
