"""A client that has nothing to do with an attack, in a process of its own: how long do its requests take meanwhile?

`python -m tests.attack.prober PORT [KEY]` asks at a fixed rate until its stdin closes, then prints one line of JSON.
Every request has a connection of its own, so the wait to be let in counts, and is timed from when it was due: a
request that is held up delays no other.
"""

import asyncio
import json
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass

_PERIOD_S = 0.02
_PATIENCE_S = 60.0
_BODY = b'{"prompt": "a neighbour", "size": "256x256"}'


@dataclass(frozen=True, slots=True)
class Latencies:
    """Milliseconds of the requests that were answered with 2xx; `num_failed` are the others."""

    num: int
    num_failed: int
    p50_ms: float
    p99_ms: float
    longest_ms: float

    @classmethod
    def of(cls, seconds: Sequence[float], num_failed: int) -> "Latencies":
        """Of at least one answered request, if any was: without one, everything is infinitely late."""
        ordered = sorted(1000 * second for second in seconds) or [float("inf")]
        p50_ms, p99_ms = (ordered[min(len(ordered) - 1, int(share * len(ordered)))] for share in (0.5, 0.99))
        return cls(len(seconds), num_failed, p50_ms, p99_ms, ordered[-1])


class Prober:
    """Alternates `GET /healthz` and `POST /v1/jobs`."""

    def __init__(self, port: int, key: str | None) -> None:
        self._port = port
        fields = f"Host: 127.0.0.1:{port}\r\nConnection: close\r\n"
        fields += f"Authorization: Bearer {key}\r\n" if key else ""
        post = f"Content-Type: application/json\r\nContent-Length: {len(_BODY)}\r\n"
        self._requests = (
            f"GET /healthz HTTP/1.1\r\n{fields}\r\n".encode(),
            f"POST /v1/jobs HTTP/1.1\r\n{fields}{post}\r\n".encode() + _BODY,
        )
        self._seconds: list[float] = []
        self._num_failed = 0

    async def run(self) -> Latencies:
        """Until stdin closes."""
        over = asyncio.create_task(asyncio.to_thread(sys.stdin.read))
        asking: list[asyncio.Task[None]] = []
        began_at = time.perf_counter()
        while not over.done():
            due_at = began_at + len(asking) * _PERIOD_S
            await asyncio.sleep(max(0.0, due_at - time.perf_counter()))
            asking.append(asyncio.create_task(self._ask(self._requests[len(asking) % 2], due_at)))
        await asyncio.gather(*asking)
        return Latencies.of(self._seconds, self._num_failed)

    async def _ask(self, request: bytes, due_at: float) -> None:
        try:
            answer = await asyncio.wait_for(self._answer(request), _PATIENCE_S)
        except (TimeoutError, OSError):
            answer = b""
        if answer.startswith(b"HTTP/1.1 2"):
            self._seconds.append(time.perf_counter() - due_at)
        else:
            self._num_failed += 1

    async def _answer(self, request: bytes) -> bytes:
        reader, writer = await asyncio.open_connection("127.0.0.1", self._port)
        try:
            writer.write(request)
            return await reader.read()
        finally:
            writer.close()


def main() -> None:
    """Asks, and tells."""
    key = sys.argv[2] if len(sys.argv) > 2 else None
    print(json.dumps(asdict(asyncio.run(Prober(int(sys.argv[1]), key).run()))))


if __name__ == "__main__":
    main()
