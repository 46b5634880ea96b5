"""Limits a request body: one over the limit is refused and never truncated."""

from functools import cached_property
from typing import IO, cast

from flask import Request
from werkzeug.exceptions import RequestEntityTooLarge
from werkzeug.wsgi import LimitedStream


class LimitedRequest(Request):
    """Corrects werkzeug's limit for chunked bodies.

    When a body is read at once, werkzeug truncates one over the limit. When it is read in pieces, werkzeug refuses one
    of exactly the limit.
    """

    @cached_property
    def stream(self) -> IO[bytes]:
        plain: IO[bytes] = super().stream
        limit = self.max_content_length
        if limit is None or not self.environ.get("wsgi.input_terminated"):
            return plain
        return cast("IO[bytes]", _AtMost(self.environ["wsgi.input"], limit, is_max=True))


class _AtMost(LimitedStream):
    """Raises `RequestEntityTooLarge` when the body has more bytes than the limit."""

    def on_exhausted(self) -> None:
        if self._stream.read(1):
            raise RequestEntityTooLarge

    def readall(self) -> bytes:
        data = super().readall()
        if self.is_exhausted:
            self.on_exhausted()
        return data
