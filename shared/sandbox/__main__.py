"""The program of a sandboxed child process: `python -m shared.sandbox FD MEMORY_BYTES MODULE:FUNCTION`.

The child receives requests on the socket with the file descriptor FD. It sends one frame (see `frames.py`) as the
response to each request.
"""

import importlib
import resource
import socket
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from shared.sandbox.frames import Head, receive, send

_MOST_FRAME_BYTES = 512 * 1024 * 1024
_MOST_IDLE_BYTES = 128 * 1024 * 1024
_STATM = Path("/proc/self/statm")
_USED_UP = "used_up"

Handle = Callable[[Head, bytes], tuple[Head, bytes]]


def main(fd: str, memory_bytes: str, target: str) -> None:
    """Handles requests of the parent process until the parent closes the socket.

    A child that ran out of memory reports that to the parent and ends, because its heap is fragmented.
    """
    _limit(int(memory_bytes))
    module, _, name = target.partition(":")
    handle: Handle = getattr(importlib.import_module(module), name)
    connection = socket.socket(fileno=int(fd))
    connection.setblocking(True)  # a parent with an event loop may have made it non-blocking
    while True:
        try:
            head, data = receive(connection, _MOST_FRAME_BYTES)
        except EOFError:
            return
        _allow_cpu(head["cpu_s"])
        answer = _answered(handle, head["ask"], data)
        del data
        send(connection, *answer)
        if answer[0].get(_USED_UP):
            return


def _answered(handle: Handle, ask: Head, data: bytes) -> tuple[dict[str, Any], bytes]:
    try:
        head, content = handle(ask, data)
    except MemoryError:
        return {"killed": "memory", _USED_UP: True}, b""
    return {"answer": head, _USED_UP: _is_used_up()}, content


def _limit(memory_bytes: int) -> None:
    """Limits the memory of this process to `memory_bytes`, and forbids file writes and core dumps."""
    for kind, most in (
        (resource.RLIMIT_AS, memory_bytes),
        (resource.RLIMIT_FSIZE, 0),
        (resource.RLIMIT_CORE, 0),
    ):
        resource.setrlimit(kind, (most, most))


def _allow_cpu(seconds: int) -> None:
    """Allows the process this many more seconds of CPU time. After that the kernel kills it, whatever it executes."""
    usage = resource.getrusage(resource.RUSAGE_SELF)
    used_s = int(usage.ru_utime + usage.ru_stime)
    _, hard = resource.getrlimit(resource.RLIMIT_CPU)
    resource.setrlimit(resource.RLIMIT_CPU, (used_s + seconds + 1, hard))


def _is_used_up() -> bool:
    """Returns whether this child process uses so much memory that its parent should replace it."""
    if not _STATM.exists():  # not on Linux
        return False
    num_pages = int(_STATM.read_text().split()[1])  # resident pages; getrusage would include the parent's peak
    return num_pages * resource.getpagesize() > _MOST_IDLE_BYTES


if __name__ == "__main__":
    main(*sys.argv[1:])
