"""Decodes request bodies that are compressed with gzip, within the size limit of the route. Refuses all other codings.

A compressed body must never be read as if it were not compressed. Else a gzip file would be stored or parsed as text.
"""

import zlib
from collections.abc import Iterable
from typing import IO

from flask import Request
from werkzeug.exceptions import RequestEntityTooLarge, UnsupportedMediaType

from shared.errors import InvalidRequest

_NAMES = frozenset({"gzip", "x-gzip"})  # RFC 9110 section 8.4.1.3: both names mean the same
_NO_CODING = frozenset({"", "identity"})
_GZIP = 31  # zlib's `wbits` for a gzip header and the largest window
_READ_BYTES = 64 * 1024


class UnsupportedCoding(UnsupportedMediaType):
    """The body has a Content-Encoding that this service can't decode."""

    def get_headers(self, *args: object, **kwargs: object) -> list[tuple[str, str]]:
        return [*super().get_headers(*args, **kwargs), ("Accept-Encoding", "gzip")]  # type: ignore[arg-type]


def is_gzip(http: Request) -> bool:
    """Returns whether the body of a request is compressed with gzip. Raises `UnsupportedCoding` for other codings."""
    codings = _codings(http.headers.getlist("Content-Encoding"))
    if not codings:
        return False
    if len(codings) == 1 and codings[0] in _NAMES:
        return True
    raise UnsupportedCoding(f"the Content-Encoding {', '.join(codings)[:100]} is not supported: send gzip or none")


def _codings(fields: Iterable[str]) -> list[str]:
    names = (name.strip().lower() for field in fields for name in field.split(","))
    return [name for name in names if name not in _NO_CODING]


class GunzippedBody:
    """The stream of a request body that decompresses gzip.

    Raises `RequestEntityTooLarge` once the decompressed bytes exceed `most_bytes`. Raises `InvalidRequest` for a body
    that is not one complete gzip file. An empty body stays empty.
    """

    def __init__(self, stream: IO[bytes], most_bytes: int | None) -> None:
        self._stream = stream
        self._left = most_bytes
        self._decoder = zlib.decompressobj(_GZIP)
        self._has_begun = False
        self._received = b""
        self._may_hold_more = False  # the decoder stops when the output has the requested size

    def read(self, size: int = -1) -> bytes:
        if size < 0:
            return b"".join(iter(lambda: self.read(_READ_BYTES), b""))
        while not self._decoder.eof:
            data = self._received or (b"" if self._may_hold_more else self._stream.read(_READ_BYTES))
            if not data and not self._may_hold_more:
                if self._has_begun:
                    raise InvalidRequest("the gzip body is truncated")
                return b""
            self._has_begun = True
            if found := self._decompressed(data, size):
                return found
        if self._decoder.unused_data or self._stream.read(1):
            raise InvalidRequest("the gzip body has further bytes behind its end")
        return b""

    def _decompressed(self, data: bytes, size: int) -> bytes:
        try:
            found = self._decoder.decompress(data, size)
        except zlib.error as error:
            raise InvalidRequest("the body is not gzip, although its Content-Encoding says so") from error
        self._received, self._may_hold_more = self._decoder.unconsumed_tail, len(found) == size
        if self._left is not None:
            self._left -= len(found)
            if self._left < 0:
                raise RequestEntityTooLarge
        return found
