"""Bytes that are sent while they are read. What can't be read at all is refused; later the answer breaks off."""

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
    """The answer. The first chunk is read before its status is sent. Raises what reading that raises."""
    chunks = iter(chunks)
    begun = list(islice(chunks, 1))
    response = Response(_rest(chain(begun, chunks), request.path), content_type=content_type)
    if num_bytes is not None:
        response.content_length = num_bytes
    if filename:
        response.headers["Content-Disposition"] = f'{how}; filename="{filename}"'
    return response


def _rest(chunks: Iterator[bytes], path: str) -> Iterator[bytes]:
    """Goes on raising, so that the server cuts the connection: an answer that just ended would look whole."""
    try:
        yield from chunks
    except GridpressError as error:
        log.warning("download.broken_off", path=path, code=error.code, error=str(error))
        raise
