"""Reads data URLs (RFC 2397) in the spellings that browsers and programs send. A child process decodes the base64."""

import re
from collections.abc import Mapping
from urllib.parse import unquote_to_bytes

from typing_extensions import Buffer

from shared.errors import InvalidImage
from shared.images.decoders import Encoded

# The media type and parameters such as charset or name come first. They are optional and have no effect, because the
# content tells the format.
_HEAD = re.compile(r"data:([^,]{0,1000})", re.IGNORECASE)
_BASE64 = re.compile(r"(.*;)?\s*base64\s*", re.IGNORECASE | re.DOTALL)


def picture_of(url: str, field: str, cut: Mapping[str, Buffer]) -> Encoded:
    """Returns the picture in a data URL. If its base64 was cut out of the JSON, `cut` has it by its placeholder.

    Raises `InvalidImage` with the name of the field if the text is no data URL.
    """
    head, comma, payload = url.partition(",")
    found = _HEAD.fullmatch(head)
    if found is None or not comma:
        raise InvalidImage("must be an https URL, a file id or a data URL such as data:image/png;base64,...", field)
    if _BASE64.fullmatch(found[1]):
        return Encoded(cut.get(payload, payload.encode()), is_base64=True)
    return Encoded(unquote_to_bytes(payload))
