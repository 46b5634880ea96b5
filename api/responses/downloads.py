"""Streams objects to clients as downloads.

An error before the first chunk leads to a normal error response. A later error cuts the connection.
"""

from collections.abc import Iterable, Iterator
from itertools import chain, islice

import structlog
from flask import Response, request

from shared.errors import GridpressError

log = structlog.get_logger()


def download(
    chunks: Iterable[bytes],
    content_type: str,
    *,
    filename: str | None = None,
    how: str = "inline",
    num_bytes: int | None = None,
) -> Response:
    """Returns a response that streams the chunks. `how` is the value for Content-Disposition: `inline` or `attachment`.

    Reads the first chunk before the status is sent, and raises the errors of that read.
    """
    chunks = iter(chunks)
    begun = list(islice(chunks, 1))
    response = Response(_rest(chain(begun, chunks), request.path), content_type=content_type)
    if num_bytes is not None:
        response.content_length = num_bytes
    if filename:
        response.headers["Content-Disposition"] = f'{how}; filename="{filename}"'
    return response


def _rest(chunks: Iterator[bytes], path: str) -> Iterator[bytes]:
    """Yields the chunks of a download. Logs an error and raises it again, so that the server cuts the connection.

    If the response ended normally, the client would take an incomplete file as complete.
    """
    try:
        yield from chunks
    except GridpressError as error:
        log.warning("download.broken_off", path=path, code=error.code, error=str(error))
        raise
