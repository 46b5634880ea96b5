"""Responds with an object of the object store: its bytes, or a redirect to a presigned URL.

A response with bytes has an ETag, and answers HEAD, conditional requests and requests for one range of bytes.
"""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from flask import Response, request
from pydantic import BaseModel, ConfigDict, Field
from werkzeug.datastructures import Range
from werkzeug.exceptions import RequestedRangeNotSatisfiable
from werkzeug.http import parse_if_range_header

from api.responses.downloads import begun
from api.services import services
from shared.ids import ObjectKey
from shared.objects.links import streams_links


class BytesQuery(BaseModel):
    """The query parameters of a route with an image that has no thumbnails."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    size: Literal["original"] | None = Field(
        default=None, description="`original`: the API sends the bytes itself, and never redirects"
    )


@dataclass(frozen=True, slots=True)
class StoredObject:
    """An object that a client may read.

    `digest` identifies the bytes, for example their SHA-256. With an empty one the response has no ETag. `num_bytes` is
    None if only the object store knows it. `how` is the value for Content-Disposition: `inline` or `attachment`.
    """

    key: ObjectKey
    content_type: str
    filename: str
    digest: str
    num_bytes: int | None = None
    how: str = "inline"


def digest_of(key: ObjectKey) -> str:
    """Returns a digest for an object whose bytes have no known digest, and whose key is never used for other bytes.

    Keys of pictures, previews, thumbnails and condition images have a random part. An object that can be overwritten
    needs the ETag of the object store instead.
    """
    return hashlib.sha256(key.encode()).hexdigest()


def respond_with(stored: StoredObject) -> Response:
    """Returns the response for an object: its bytes or, if links lead to the object store, a redirect (302).

    A presigned URL is valid for GET only, so HEAD gets its response here in both cases. Raises `ObjectNotFound`,
    `ObjectStoreUnavailable`, and werkzeug's error for the status 416.
    """
    deps = services()
    if streams_links(deps.settings) or request.method == "HEAD":
        return bytes_of(stored)
    link = deps.objects.presign(stored.key, filename=stored.filename, content_type=stored.content_type)
    return Response(status=302, headers={"Location": link})


def bytes_of(stored: StoredObject) -> Response:
    """Returns the response with an object's bytes, also where links lead to the object store. Raises `ObjectNotFound`,
    `ObjectStoreUnavailable`, and werkzeug's error for the status 416.
    """
    deps = services()
    num_bytes = deps.objects.num_bytes(stored.key) if stored.num_bytes is None else stored.num_bytes
    response = Response(content_type=stored.content_type)
    if stored.digest:
        response.set_etag(stored.digest)
    response.make_conditional(request)
    if response.status_code == 304:
        return response
    start, stop = _asked_range(num_bytes, stored.digest) or (0, num_bytes)
    if request.method != "HEAD":
        response.response = begun(_cut(deps.objects.stream(stored.key, start=start), stop - start))
    response.headers["Accept-Ranges"] = "bytes"
    response.headers["Content-Disposition"] = f'{stored.how}; filename="{stored.filename}"'
    response.content_length = stop - start
    if (start, stop) != (0, num_bytes):
        response.status_code = 206
        response.headers["Content-Range"] = f"bytes {start}-{stop - 1}/{num_bytes}"
    return response


def _asked_range(num_bytes: int, digest: str) -> tuple[int, int] | None:
    """Returns the first byte that the client asks for and the byte after the last one. Returns None for the whole
    object: without a Range header, with several ranges, or if the client has a part of another object (If-Range).
    """
    asked: Range | None = request.range
    if request.method != "GET" or asked is None or asked.units != "bytes" or len(asked.ranges) != 1:
        return None
    known = parse_if_range_header(request.headers.get("If-Range"))
    if (known.etag or known.date) and known.etag != digest:
        return None
    found = asked.range_for_length(num_bytes)
    if found is None:
        raise RequestedRangeNotSatisfiable(num_bytes)
    return found


def _cut(chunks: Iterator[bytes], num_bytes: int) -> Iterator[bytes]:
    """Yields the first `num_bytes` bytes of the chunks."""
    for chunk in chunks:
        yield chunk[:num_bytes]
        num_bytes -= len(chunk)
        if num_bytes <= 0:
            return
