"""What a decoding child does. Loads nothing but Pillow and our arithmetic."""

from base64 import b64decode
from typing import Any

from shared.errors import InvalidImage
from shared.images import normalise
from shared.sandbox.frames import Head


def decode(ask: Head, data: bytes) -> tuple[dict[str, Any], bytes]:
    """The normalised PNG, or `refused` with the reason."""
    try:
        picture = _from_base64(data) if ask["is_base64"] else data
        return {}, normalise(picture, max_pixels=ask["max_pixels"], field="")
    except InvalidImage as error:
        return {"refused": str(error)}, b""


def _from_base64(text: bytes) -> bytes:
    try:
        return b64decode(text.replace(b"\\/", b"/"), validate=True)  # some JSON writers escape the slash
    except ValueError as error:
        raise InvalidImage("not base64") from error
