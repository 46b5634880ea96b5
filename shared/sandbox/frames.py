"""Frames on a stream socket: a JSON object and bytes, preceded by their lengths.

Not pickle: the other side may be compromised.
"""

import json
import socket
import struct
from collections.abc import Mapping
from typing import Any

from typing_extensions import Buffer

_LENGTHS = struct.Struct(">IQ")
_MOST_HEAD_BYTES = 1024 * 1024
_PIECE_BYTES = 256 * 1024  # after each of which the event loop of a process that has one may turn to others

Head = Mapping[str, Any]


def send(connection: socket.socket, head: Head, data: Buffer = b"") -> None:
    """Sends one frame. Raises `OSError`."""
    text, content = json.dumps(head).encode(), memoryview(data)
    connection.sendall(_LENGTHS.pack(len(text), content.nbytes) + text)
    for start in range(0, content.nbytes, _PIECE_BYTES):
        connection.sendall(content[start : start + _PIECE_BYTES])


def receive(connection: socket.socket, most_bytes: int) -> tuple[Head, bytes]:
    """Receives one frame. Raises `EOFError` at the end of the stream, `OSError`, and `ValueError` for a malformed
    frame.
    """
    num_head, num_data = _LENGTHS.unpack(_exactly(connection, _LENGTHS.size))
    if num_head > _MOST_HEAD_BYTES or num_data > most_bytes:
        raise ValueError(f"a frame of {num_head} + {num_data} bytes")
    head = json.loads(_exactly(connection, num_head))
    if not isinstance(head, dict):
        raise ValueError("a frame without a head")  # noqa: TRY004 - what came is at fault, not a caller
    return head, _exactly(connection, num_data)


def _exactly(connection: socket.socket, num_bytes: int) -> bytes:
    data = bytearray(num_bytes)
    rest = memoryview(data)
    while rest:
        num_read = connection.recv_into(rest)
        if not num_read:
            raise EOFError
        rest = rest[num_read:]
    return bytes(data)
