"""The child process: `python -m shared.sandbox FD MEMORY_BYTES MODULE:FUNCTION`.

Answers each request with one frame.
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
    """Answers requests until the parent closes the socket.

    A child that ran out of memory reports it and ends, because its heap is fragmented.
    """
    _limit(int(memory_bytes))
    module, _, name = target.partition(":")
    handle: Handle = getattr(importlib.import_module(module), name)
    connection = socket.socket(fileno=int(fd))
    connection.setblocking(True)  # a parent with an event loop made it otherwise
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
    """Limits this process: memory as given, no file writes, no core dumps."""
    for kind, most in (
        (resource.RLIMIT_AS, memory_bytes),
        (resource.RLIMIT_FSIZE, 0),
        (resource.RLIMIT_CORE, 0),
    ):
        resource.setrlimit(kind, (most, most))


def _allow_cpu(seconds: int) -> None:
    """Allows `seconds` of CPU time from now on. The kernel kills the process after that, whatever it executes."""
    usage = resource.getrusage(resource.RUSAGE_SELF)
    used_s = int(usage.ru_utime + usage.ru_stime)
    _, hard = resource.getrlimit(resource.RLIMIT_CPU)
    resource.setrlimit(resource.RLIMIT_CPU, (used_s + seconds + 1, hard))


def _is_used_up() -> bool:
    """Returns whether the heap has grown so large that the idle child should be replaced."""
    if not _STATM.exists():  # no Linux
        return False
    num_pages = int(_STATM.read_text().split()[1])  # resident now: what getrusage says counts the parent's, too
    return num_pages * resource.getpagesize() > _MOST_IDLE_BYTES


if __name__ == "__main__":
    main(*sys.argv[1:])
