"""Makes files of weights that are whole, and hold any bytes."""

import json
import struct
from collections.abc import Mapping


def safetensors_of(data: bytes, name: str = "w", **changed: object) -> bytes:
    """Returns a safetensors file with one tensor, whose bytes are `data`. `changed` are other values of its head."""
    tensor = {"dtype": "U8", "shape": [len(data)], "data_offsets": [0, len(data)], **changed}
    return _file({"__metadata__": {}, name: tensor}, data)


def safetensors_with(tensors: Mapping[str, Mapping[str, object]], data: bytes) -> bytes:
    """Returns a safetensors file whose head has `tensors`, whether or not they fit the bytes `data`."""
    return _file(tensors, data)


def _file(head: Mapping[str, object], data: bytes) -> bytes:
    text = json.dumps(head).encode()
    return struct.pack("<Q", len(text)) + text + data
