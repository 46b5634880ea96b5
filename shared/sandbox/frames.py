"""Sends and receives frames on a stream socket. A frame is a JSON object and bytes, preceded by the lengths of both.

Frames are not pickled, because the process on the other side may be compromised.
"""

import json
import socket
import struct
from collections.abc import Mapping
from typing import Any

from typing_extensions import Buffer

_LENGTHS = struct.Struct(">IQ")
_MOST_HEAD_BYTES = 1024 * 1024
_PIECE_BYTES = 256 * 1024  # between two pieces an event loop can serve other tasks

Head = Mapping[str, Any]


def send(connection: socket.socket, head: Head, data: Buffer = b"") -> None:
    """Sends one frame on the socket. Raises `OSError`."""
    text, content = json.dumps(head).encode(), memoryview(data)
    connection.sendall(_LENGTHS.pack(len(text), content.nbytes) + text)
    for start in range(0, content.nbytes, _PIECE_BYTES):
        connection.sendall(content[start : start + _PIECE_BYTES])


def receive(connection: socket.socket, most_bytes: int) -> tuple[Head, bytes]:
    """Receives one frame from the socket. Returns the frame's JSON object and its bytes.

    Raises `EOFError` if the peer closed the stream, `OSError` for other errors of the socket, and `ValueError` for a
    malformed or too large frame.
    """
    num_head, num_data = _LENGTHS.unpack(_exactly(connection, _LENGTHS.size))
    if num_head > _MOST_HEAD_BYTES or num_data > most_bytes:
        raise ValueError(f"a frame of {num_head} + {num_data} bytes")
    head = json.loads(_exactly(connection, num_head))
    if not isinstance(head, dict):
        raise ValueError("a frame without a head")  # noqa: TRY004 - the received frame is wrong, not an argument
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
