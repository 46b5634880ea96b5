"""The task that a child process runs to decode an image. It imports only Pillow and small modules of Gridpress."""

import json
from base64 import b64decode
from typing import Any

from shared.errors import InvalidImage
from shared.images.normalise import normalise
from shared.sandbox.frames import Head


def decode(ask: Head, data: bytes) -> tuple[dict[str, Any], bytes]:
    """Returns the normalised image as PNG. If the image can't be used, returns the reason under `refused` instead."""
    try:
        picture = _from_base64(data) if ask["is_base64"] else data
        return {}, normalise(picture, max_pixels=ask["max_pixels"], field="")
    except InvalidImage as error:
        return {"refused": str(error)}, b""


def _from_base64(text: bytes) -> bytes:
    """Decodes base64 that was cut out of JSON text. Some JSON writers escape the slash or the plus. Raises
    `InvalidImage`.
    """
    try:
        return b64decode(json.loads(b'"%b"' % text) if b"\\" in text else text, validate=True)
    except ValueError as error:
        raise InvalidImage("not base64") from error
