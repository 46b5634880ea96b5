"""Parses the JSON of clients with bounded time and memory. Large base64 pictures are cut out before parsing."""

import hashlib
import json
import re
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from mmap import mmap
from typing import Any

from shared.errors import InvalidRequest, PayloadTooLarge
from shared.wording.json_text import json_fault

MOST_BYTES = 1024 * 1024  # without pictures
MOST_VALUES = 1_000  # a request with all fields has about 100
# Limit of commas and brackets before parsing, when those inside strings can't be told apart. Parsing this many values
# takes milliseconds.
_MOST_MARKS = 65_536
_CUT_BYTES = 64 * 1024  # shorter pictures stay in the JSON
_MOST_PICTURES = 100  # pictures that are cut out; the number of images of a job has its own limit

_BEFORE_PICTURE = re.compile(rb";[ \t]{0,8}base64[ \t]{0,8},", re.IGNORECASE)
_QUOTE, _BACKSLASH = re.compile(rb'"'), b"\\"
_MOST_MATCHED = 32  # bytes: more than any match of these patterns
_SLICE_BYTES = 512 * 1024

Source = bytes | mmap


@dataclass(frozen=True, slots=True)
class Document:
    """A parsed JSON document. `cut` maps the placeholder of each picture that was cut out to the picture's base64."""

    value: Any
    cut: Sequence[tuple[str, memoryview]] = field(default=())

    def pictures_of(self, images: Iterable[str]) -> Mapping[str, memoryview]:
        """Returns the pictures that were cut out of the JSON: the base64 of each picture, by its placeholder in the
        JSON.

        Raises `InvalidRequest` if a picture is not among `images`, the images of the request.
        """
        pictures = dict(self.cut)
        if sum(image.partition(",")[2] in pictures for image in images) != len(self.cut):
            raise InvalidRequest("large base64 text is allowed only as a picture in images", "images")
        return pictures


def read_document(data: Source, field: str | None = None) -> Document:
    """Parses a JSON document. Its large base64 pictures are cut out first, and placeholders stand for them.

    Raises `InvalidRequest`, and `PayloadTooLarge` if more than 1 MiB remains without the pictures. NaN is accepted
    here, but refused when the field that contains it is validated.
    """
    rest, cut = _cut_pictures(data)
    if len(rest) > MOST_BYTES:
        raise PayloadTooLarge(f"a JSON document has at most {MOST_BYTES} bytes beside base64 pictures")
    return Document(read_json(rest, field), cut)


def read_json(text: bytes, field: str | None = None) -> Any:
    """Parses JSON text of any length. Raises `InvalidRequest` for malformed JSON, and for more than 1,000 values.
    `field` is the name of the field in the error.
    """
    if sum(map(text.count, (b",", b"[", b"{"))) > _MOST_MARKS:
        raise InvalidRequest(f"malformed JSON: more than {_MOST_MARKS} commas and brackets", field)
    try:
        value = json.loads(text.decode(json.detect_encoding(text)))  # `loads` itself would accept UTF-8 of surrogates
    except RecursionError as error:
        raise InvalidRequest("malformed JSON: nested too deeply", field) from error
    except ValueError as error:
        raise InvalidRequest(f"malformed JSON: {json_fault(error, text)}", field) from error
    if _is_crowded(value):
        raise InvalidRequest(f"malformed JSON: more than {MOST_VALUES} values", field)
    return value


def digest_of(data: Source | memoryview) -> str:
    """Returns the SHA-256 of the data in hexadecimal. Works in slices, between which other greenlets can run."""
    digest, view = hashlib.sha256(), memoryview(data)
    for start in range(0, len(view), _SLICE_BYTES):
        digest.update(view[start : start + _SLICE_BYTES])
        time.sleep(0)
    return digest.hexdigest()


def _cut_pictures(data: Source) -> tuple[bytes, list[tuple[str, memoryview]]]:
    """Cuts large base64 pictures out of JSON text. Returns the rest of the text, with a placeholder for each picture,
    and the pictures that were cut out.

    A picture is the text from `;base64,` to the next quotation mark. If such text was not inside a JSON string, the
    rest of the text is not valid JSON, and the JSON parser refuses it.
    """
    if len(data) <= _CUT_BYTES:
        return data[:], []
    pieces, cut, kept_to, at = list[bytes](), list[tuple[str, memoryview]](), 0, 0
    for _ in range(_MOST_PICTURES):
        head = _find(data, _BEFORE_PICTURE, at)
        quote = _find(data, _QUOTE, head.end()) if head else None
        if head is None or quote is None:
            break
        at, end = head.end(), quote.start()
        if end - at >= _CUT_BYTES and data[end - 1 : end] != _BACKSLASH:
            picture = memoryview(data)[at:end]
            name = f"sha256-{digest_of(picture)}"  # base64 of this length is too short for a picture
            pieces += (data[kept_to:at], name.encode())
            cut.append((name, picture))
            kept_to = end
        at = end
    if len(data) - kept_to > MOST_BYTES:
        raise PayloadTooLarge(f"a JSON document has at most {MOST_BYTES} bytes beside base64 pictures")
    return b"".join([*pieces, data[kept_to:]]), cut


def _find(data: Source, pattern: re.Pattern[bytes], start: int) -> re.Match[bytes] | None:
    """Returns the first match of a pattern from `start` on, or None. Works in slices, between which other greenlets can
    run.
    """
    for begin in range(start, len(data), _SLICE_BYTES):
        if found := pattern.search(data, begin, begin + _SLICE_BYTES + _MOST_MATCHED):
            return found
        time.sleep(0)
    return None


def _is_crowded(value: Any) -> bool:
    num_values, open_values = 1, [value]
    while open_values:
        inner = open_values.pop()
        if isinstance(inner, dict | list):
            num_values += len(inner)
            if num_values > MOST_VALUES:
                return True
            open_values.extend(inner.values() if isinstance(inner, dict) else inner)
    return False
