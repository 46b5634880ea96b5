"""Enforces the size limit of request bodies. A body over the limit is refused, never truncated."""

from functools import cached_property
from typing import IO, cast

from flask import Request
from werkzeug.exceptions import RequestEntityTooLarge
from werkzeug.wsgi import LimitedStream


class LimitedRequest(Request):
    """A Flask request that enforces the size limit of a chunked body exactly, unlike werkzeug's own.

    When a chunked body is read in one call, werkzeug truncates a body over the limit. When the body is read in
    pieces, werkzeug refuses a body of exactly the limit.
    """

    @cached_property
    def stream(self) -> IO[bytes]:
        plain: IO[bytes] = super().stream
        limit = self.max_content_length
        if limit is None or not self.environ.get("wsgi.input_terminated"):
            return plain
        return cast("IO[bytes]", _AtMost(self.environ["wsgi.input"], limit, is_max=True))


class _AtMost(LimitedStream):
    """A stream of a request body that raises `RequestEntityTooLarge` when the body has more bytes than the limit."""

    def on_exhausted(self) -> None:
        if self._stream.read(1):
            raise RequestEntityTooLarge

    def readall(self) -> bytes:
        data = super().readall()
        if self.is_exhausted:
            self.on_exhausted()
        return data
