"""Parses clients' JSON at a bounded cost. Large base64 pictures are cut out first and never parsed."""

import hashlib
import json
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from mmap import mmap
from typing import Any

from shared.errors import InvalidRequest, PayloadTooLarge

MOST_BYTES = 1024 * 1024  # beside pictures
MOST_VALUES = 1_000  # a request of all fields has about 100
# Before parsing nobody knows which commas stand in a prompt. So many values are parsed in milliseconds.
_MOST_MARKS = 65_536
_CUT_BYTES = 64 * 1024  # a shorter picture stays where it is
_MOST_PICTURES = 100  # looked for; there is a limit of its own to how many a job has

_BEFORE_PICTURE = b";base64,"
_QUOTE, _BACKSLASH = b'"', b"\\"
_SLICE_BYTES = 512 * 1024

Source = bytes | mmap


@dataclass(frozen=True, slots=True)
class Document:
    """A parsed JSON document. `cut` maps the placeholder of each picture that was cut out to its base64."""

    value: Any
    cut: Sequence[tuple[str, memoryview]] = field(default=())

    def pictures_of(self, images: Iterable[str]) -> Mapping[str, memoryview]:
        """Returns the pictures that were cut out. Raises `InvalidRequest` if one of them is not an image of the
        request.
        """
        pictures = dict(self.cut)
        if sum(image.partition(",")[2] in pictures for image in images) != len(self.cut):
            raise InvalidRequest("so much base64 can only be a picture in images", "images")
        return pictures


def read_document(data: Source, field: str | None = None) -> Document:
    """Parses a JSON document, without its large base64 pictures.

    Raises `InvalidRequest`, and `PayloadTooLarge` for more than 1 MiB beside the pictures. NaN is accepted here and
    refused by the field that holds it.
    """
    rest, cut = _without_pictures(data)
    if len(rest) > MOST_BYTES:
        raise PayloadTooLarge(f"a JSON document has at most {MOST_BYTES} bytes beside base64 pictures")
    return Document(read_json(rest, field), cut)


def read_json(text: bytes, field: str | None = None) -> Any:
    """Parses JSON of any length with a bounded number of values. Raises `InvalidRequest`."""
    if sum(map(text.count, (b",", b"[", b"{"))) > _MOST_MARKS:
        raise InvalidRequest(f"malformed JSON: more than {_MOST_MARKS} commas and brackets", field)
    try:
        value = json.loads(text)
    except RecursionError as error:
        raise InvalidRequest("malformed JSON: nested too deeply", field) from error
    except ValueError as error:
        raise InvalidRequest(f"malformed JSON: {error}", field) from error
    if _is_crowded(value):
        raise InvalidRequest(f"malformed JSON: more than {MOST_VALUES} values", field)
    return value


def digest_of(data: Source | memoryview) -> str:
    """Returns the SHA-256 in hex. Lets other greenlets run meanwhile."""
    digest, view = hashlib.sha256(), memoryview(data)
    for start in range(0, len(view), _SLICE_BYTES):
        digest.update(view[start : start + _SLICE_BYTES])
        time.sleep(0)
    return digest.hexdigest()


def _without_pictures(data: Source) -> tuple[bytes, list[tuple[str, memoryview]]]:
    """Cuts out base64 up to the next quote. If it was not within a JSON string, the rest is not valid JSON either."""
    if len(data) <= _CUT_BYTES:
        return data[:], []
    pieces, cut, kept_to, at = list[bytes](), list[tuple[str, memoryview]](), 0, 0
    for _ in range(_MOST_PICTURES):
        start = _find(data, _BEFORE_PICTURE, at)
        at = start + len(_BEFORE_PICTURE)
        end = _find(data, _QUOTE, at) if start >= 0 else -1
        if end < 0:
            break
        if end - at >= _CUT_BYTES and data[end - 1 : end] != _BACKSLASH:
            picture = memoryview(data)[at:end]
            name = f"sha256-{digest_of(picture)}"  # no base64, so nothing that a picture could be
            pieces += (data[kept_to:at], name.encode())
            cut.append((name, picture))
            kept_to = end
        at = end
    if len(data) - kept_to > MOST_BYTES:
        raise PayloadTooLarge(f"a JSON document has at most {MOST_BYTES} bytes beside base64 pictures")
    return b"".join([*pieces, data[kept_to:]]), cut


def _find(data: Source, what: bytes, start: int) -> int:
    """Returns the position of `what`, -1 if it is not there. Lets other greenlets run meanwhile."""
    for begin in range(start, len(data), _SLICE_BYTES):
        found = data.find(what, begin, begin + _SLICE_BYTES + len(what) - 1)
        if found >= 0:
            return found
        time.sleep(0)
    return -1


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
