"""Makes files of weights that are whole, and hold any bytes."""

import json
import struct


def safetensors_of(data: bytes) -> bytes:
    """Returns a safetensors file with one tensor, whose bytes are `data`."""
    tensor = {"dtype": "U8", "shape": [len(data)], "data_offsets": [0, len(data)]}
    head = json.dumps({"__metadata__": {}, "w": tensor}).encode()
    return struct.pack("<Q", len(head)) + head + data
