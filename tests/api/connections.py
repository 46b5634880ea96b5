"""Clients of the API that cost next to nothing, so that a thousand of them leave the processor to the server."""

import asyncio
import json
import time
from collections.abc import Mapping
from dataclasses import dataclass

_END = b"event: job."
_LAST = tuple(_END + status for status in (b"succeeded", b"failed", b"cancelled", b"expired"))


@dataclass(frozen=True, slots=True)
class Ended:
    """A job's end as its client saw it, by this process' `time.perf_counter`."""

    job_id: str
    at_s: float


class Held:
    """One connection with one request under way."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    @classmethod
    async def stream(cls, port: int, job_id: str, after: str = "0") -> "Held":
        """Follows a job's events; returns when the server has told that it follows."""
        held = await cls._ask(port, f"GET /v1/jobs/{job_id}/events", {"Last-Event-ID": after})
        await held._reader.readuntil(b": open\n\n")
        return held

    @classmethod
    async def wait(cls, port: int, body: Mapping[str, object], wait_s: int) -> "Held":
        """Submits a job and waits for its end."""
        content = json.dumps(body).encode()
        fields = {"Prefer": f"wait={wait_s}", "Content-Type": "application/json", "Content-Length": str(len(content))}
        return await cls._ask(port, "POST /v1/jobs", fields, content)

    @classmethod
    async def _ask(cls, port: int, line: str, fields: Mapping[str, str], body: bytes = b"") -> "Held":
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        head = "".join(f"{name}: {value}\r\n" for name, value in {"Host": f"127.0.0.1:{port}", **fields}.items())
        writer.write(f"{line} HTTP/1.1\r\n{head}\r\n".encode() + body)
        await writer.drain()
        return cls(reader, writer)

    async def last_event(self, job_id: str) -> Ended:
        """The end of a stream. Raises `IncompleteReadError` when it breaks off before."""
        while not (await self._reader.readuntil(b"\n")).startswith(_LAST):
            pass
        ended = Ended(job_id, time.perf_counter())
        self.close()
        return ended

    async def everything(self) -> bytes:
        """The rest of a stream, until the server ends it."""
        text = await self._reader.read()
        self.close()
        return text

    async def answer(self) -> tuple[Ended, Mapping[str, object]]:
        """The whole answer of a request that waits, and the job in it."""
        head = await self._reader.readuntil(b"\r\n\r\n")
        fields = dict(line.lower().split(b": ", 1) for line in head.splitlines()[1:] if line)
        job = json.loads(await self._reader.readexactly(int(fields[b"content-length"])))
        ended = Ended(str(job["id"]), time.perf_counter())
        self.close()
        return ended, job

    def close(self) -> None:
        self._writer.transport.abort()  # at once: a loop that ends soon would leave it half closed
