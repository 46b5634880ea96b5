"""The task that a child process runs to decode an image. It imports only Pillow and small modules of Gridpress."""

import json
from base64 import b64decode
from typing import Any
from urllib.parse import unquote_to_bytes

from shared.errors import InvalidImage
from shared.images.normalise import normalise
from shared.images.thumbnail import thumbnail
from shared.sandbox.frames import Head

_STANDARD = bytes.maketrans(b"-_", b"+/")  # from the URL-safe alphabet, RFC 4648 section 5
_WHITE_SPACE = b" \t\r\n\f\v"


def decode(ask: Head, data: bytes) -> tuple[dict[str, Any], bytes]:
    """Returns the normalised image as PNG, or a thumbnail of it as WebP if `ask` has the field `thumbnail_px`.

    If the image can't be used, returns the reason under `refused` instead.
    """
    try:
        picture = _from_base64(data) if ask["is_base64"] else data
        if "thumbnail_px" in ask:
            return {}, thumbnail(picture, ask["thumbnail_px"])
        return {}, normalise(picture, max_pixels=ask["max_pixels"], field="")
    except InvalidImage as error:
        return {"refused": str(error)}, b""


def _from_base64(text: bytes) -> bytes:
    """Decodes the base64 of a data URL, which was cut out of JSON text. Raises `InvalidImage`.

    Accepts what browsers accept (white space, percent-encoding, no padding), the URL-safe alphabet, and JSON escapes.
    """
    try:
        if b"\\" in text:
            text = json.loads(b'"%b"' % text).encode("ascii")
        if b"%" in text:
            text = unquote_to_bytes(text)
        text = text.translate(_STANDARD, _WHITE_SPACE).rstrip(b"=")
        return b64decode(text + b"=" * (-len(text) % 4), validate=True)
    except ValueError as error:
        raise InvalidImage("the data URL is not valid base64") from error
