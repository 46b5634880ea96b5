"""A body up to its limit: what is over it is refused, and never taken as if it ended there."""

from functools import cached_property
from typing import IO, cast

from flask import Request
from werkzeug.exceptions import RequestEntityTooLarge
from werkzeug.wsgi import LimitedStream


class LimitedRequest(Request):
    """Werkzeug takes a body in chunks that is too large as if it ended at the limit, where it is read at once.

    And where it is read piece by piece, it refuses one that ends there.
    """

    @cached_property
    def stream(self) -> IO[bytes]:
        plain: IO[bytes] = super().stream
        limit = self.max_content_length
        if limit is None or not self.environ.get("wsgi.input_terminated"):
            return plain
        return cast("IO[bytes]", _AtMost(self.environ["wsgi.input"], limit, is_max=True))


class _AtMost(LimitedStream):
    """Raises `RequestEntityTooLarge` when there is more."""

    def on_exhausted(self) -> None:
        if self._stream.read(1):
            raise RequestEntityTooLarge

    def readall(self) -> bytes:
        data = super().readall()
        if self.is_exhausted:
            self.on_exhausted()
        return data
