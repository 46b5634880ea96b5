"""Reads the messages that the DiT worker writes to its helper process (the process that computes on a second device).
Each message is one line. Needs no torch.
"""

import os
import queue
import threading
from collections.abc import Iterator
from typing import BinaryIO


def orders(stream: BinaryIO) -> Iterator[bytes]:
    """Yields the lines of the helper's standard input as they arrive.

    The end of the input means that the worker has ended. Then the helper process exits at once, even during a forward
    pass, because nothing will read the result.
    """
    lines: queue.SimpleQueue[bytes] = queue.SimpleQueue()

    def read() -> None:
        for line in stream:
            lines.put(line)
        os._exit(0)

    threading.Thread(target=read, name="orders", daemon=True).start()
    while True:
        yield lines.get()
