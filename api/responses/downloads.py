"""Streams objects to clients as downloads.

An error before the first chunk leads to a normal error response. A later error cuts the connection.
"""

from collections.abc import Iterable, Iterator
from itertools import chain, islice

import structlog
from flask import Response, request

from shared.errors import GridpressError

log = structlog.get_logger()


def download(chunks: Iterable[bytes], content_type: str, filename: str) -> Response:
    """Returns a response that streams the chunks as a file to be saved.

    Reads the first chunk before the status is sent, and raises the errors of that read.
    """
    response = Response(begun(chunks), content_type=content_type)
    response.headers["Content-Disposition"] = f'attachment; filename="{filename}"'
    return response


def begun(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """Reads the first chunk, and raises the errors of that read. Returns an iterator over all chunks."""
    chunks = iter(chunks)
    first = list(islice(chunks, 1))
    return _rest(chain(first, chunks), request.path)


def _rest(chunks: Iterator[bytes], path: str) -> Iterator[bytes]:
    """Yields the chunks of a download. Logs an error and raises it again, so that the server cuts the connection.

    If the response ended normally, the client would take an incomplete file as complete.
    """
    try:
        yield from chunks
    except GridpressError as error:
        log.warning("download.broken_off", path=path, code=error.code, error=str(error))
        raise
