"""A body without a length, up to its limit: what is over it is refused, and never taken as if it ended there."""

from functools import cached_property
from typing import IO, cast

from flask import Request
from werkzeug.exceptions import RequestEntityTooLarge
from werkzeug.wsgi import LimitedStream


class LimitedRequest(Request):
    """Werkzeug gives a body in chunks that is too large as its beginning, to whoever reads it at once."""

    @cached_property
    def stream(self) -> IO[bytes]:
        plain: IO[bytes] = super().stream
        limit = self.max_content_length
        if self.content_length is not None or limit is None:
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
