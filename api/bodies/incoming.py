"""Receives request bodies after authentication. Large bodies are stored in temporary files.

One quota limits the bytes of all bodies that are in use.
"""

import time
from functools import cached_property, partial
from io import BytesIO
from mmap import ACCESS_READ, mmap
from tempfile import TemporaryFile
from typing import IO, Any, cast

from flask import Flask, current_app, g, request

from api.bodies.content_codings import GunzippedBody, is_gzip
from api.bodies.forms import FormParser
from api.bodies.limit import LimitedRequest
from shared.errors import ServiceBusy
from shared.intake.json_documents import MOST_BYTES
from shared.process.quota import SharedQuota
from shared.settings.settings import Settings

_IN_MEMORY_BYTES = 256 * 1024  # a larger body or file goes to disk
_READ_BYTES = 64 * 1024
_TURN_BYTES = 16 * 1024
_PICTURES = "gridpress_takes_pictures"
_BUDGET = "gridpress_bodies"


class BodyRequest(LimitedRequest):
    """A Flask request whose body counts against the shared byte quota of request bodies as soon as it is read.

    A body that is compressed with gzip is read decompressed. Its limit and the quota then apply to the decompressed
    bytes.
    """

    form_data_parser_class = FormParser

    @cached_property
    def stream(self) -> IO[bytes]:
        plain: IO[bytes] = super().stream  # raises for a body over the limit
        if is_gzip(self):
            plain = cast("IO[bytes]", GunzippedBody(plain, self.max_content_length))
        if "passes_body_on" in g:
            return cast("IO[bytes]", _YieldingBody(plain))
        num_bytes = self._num_body_bytes
        if num_bytes is not None:
            hold(num_bytes)
        return cast("IO[bytes]", _YieldingBody(plain, is_counted=num_bytes is None))

    @property
    def _num_body_bytes(self) -> int | None:
        """Returns the size of the body, or None if it is unknown until the body is read."""
        return None if is_gzip(self) else self.content_length

    def _get_file_stream(self, *_: Any, **__: Any) -> IO[bytes]:
        num_bytes = self._num_body_bytes
        is_small = num_bytes is not None and num_bytes <= _IN_MEMORY_BYTES
        return cast("IO[bytes]", BytesIO() if is_small else TemporaryFile("w+b"))


class _YieldingBody:
    """A stream of a request body that yields to other greenlets after each piece of 16 KiB or more.

    Otherwise a body that arrives fast would block the event loop.
    """

    def __init__(self, stream: IO[bytes], *, is_counted: bool = False) -> None:
        self._stream = stream
        self._is_counted = is_counted

    def read(self, size: int = -1) -> bytes:
        data = self._stream.read(size)
        if self._is_counted:
            hold(len(data))
        if len(data) >= _TURN_BYTES:
            time.sleep(0)
        return data


def install(app: Flask, settings: Settings, held_bytes: SharedQuota) -> None:
    """Installs the hooks that limit request bodies. `held_bytes` limits the bytes of all bodies in use.

    The hooks must follow authentication and precede everything that reads a body.
    """
    app.request_class = BodyRequest
    app.extensions[_BUDGET] = held_bytes
    app.config["MAX_CONTENT_LENGTH"] = min(MOST_BYTES, settings.max_body_bytes)
    app.before_request(_refuse_unknown_codings)
    app.before_request(partial(_allow_pictures, settings.max_body_bytes))
    app.teardown_request(lambda _: release())


def takes_pictures(view: Any) -> Any:
    """Marks a view whose request body may contain pictures, so that the larger size limit applies to the body."""
    setattr(view, _PICTURES, True)
    return view


def stream_body(most_bytes: int) -> None:
    """Marks the body of the current request as streamed, with a limit of `most_bytes`.

    The view reads a streamed body in pieces and never holds all of it in memory. So the body does not count against the
    byte quota of request bodies.
    """
    request.max_content_length = most_bytes
    g.passes_body_on = True


def whole_body() -> bytes | mmap:
    """Returns the whole body of the current request. A body over 256 KiB is a memory-mapped file.

    The first call reads the body, and later calls return the same bytes.
    """
    if "body" not in g:
        g.body = _received()
    return cast("bytes | mmap", g.body)


def content_of(file: IO[bytes]) -> bytes | mmap:
    """Returns the content of an uploaded file of a multipart form. A file over 256 KiB is memory-mapped."""
    if isinstance(file, BytesIO):
        return file.getvalue()
    return _mapped(file)


def hold(num_bytes: int) -> None:
    """Reserves bytes of the byte quota that all request bodies share, for the current request.

    The request keeps these bytes until it ends or calls `release`. Raises `ServiceBusy` when the whole quota is used
    up. Also raises it when the tenant has used up its half of the quota.
    """
    if not _budget().take(g.caller.tenant, num_bytes):
        raise ServiceBusy("the request bodies being processed take all the memory allowed for them; try again")
    g.held_bytes = g.get("held_bytes", 0) + num_bytes


def release() -> None:
    """Frees the body and the pictures of the current request, and gives their bytes back to the shared byte quota.

    A request that waits for its job calls this before it waits, since it no longer needs them.
    """
    g.pop("body", None)
    g.pop("document", None)
    if held_bytes := g.pop("held_bytes", 0):
        _budget().give_back(g.caller.tenant, held_bytes)


def _budget() -> SharedQuota:
    return cast("SharedQuota", current_app.extensions[_BUDGET])


def _refuse_unknown_codings() -> None:
    """Raises `UnsupportedCoding` for a body that can't be decoded, also on routes that read no body."""
    if request.content_length or "Transfer-Encoding" in request.headers:
        is_gzip(request)


def _allow_pictures(most_bytes: int) -> None:
    view = current_app.view_functions.get(request.endpoint or "")
    if getattr(view, _PICTURES, False):
        request.max_content_length = most_bytes
        request.max_form_memory_size = most_bytes  # data URLs may come in a form field


def _received() -> bytes | mmap:
    data = bytearray()
    while piece := request.stream.read(_READ_BYTES):
        data += piece
        if len(data) > _IN_MEMORY_BYTES:
            return _received_on_disk(data)
    return bytes(data)


def _received_on_disk(begun: bytearray) -> bytes | mmap:
    with TemporaryFile("w+b") as file:  # the mapping outlives the file object
        file.write(begun)
        while piece := request.stream.read(_READ_BYTES):
            file.write(piece)
        return _mapped(file)


def _mapped(file: IO[bytes]) -> bytes | mmap:
    file.seek(0, 2)
    if not file.tell():
        return b""
    file.flush()
    return mmap(file.fileno(), 0, access=ACCESS_READ)
