"""Receives request bodies: after authentication, on disk when they are large, within one budget of bytes."""

import time
from functools import cached_property, partial
from io import BytesIO
from mmap import ACCESS_READ, mmap
from tempfile import TemporaryFile
from typing import IO, Any, cast

from flask import Flask, current_app, g, request

from api.server.body_limit import LimitedRequest
from api.server.forms import FormParser
from shared.errors import ServiceBusy
from shared.intake.documents import MOST_BYTES
from shared.process.quota import Quota
from shared.settings.settings import Settings

_IN_MEMORY_BYTES = 256 * 1024  # of one body or file; what is larger goes to disk
_READ_BYTES = 64 * 1024
_TURN_BYTES = 16 * 1024
_PICTURES = "gridpress_takes_pictures"
_BUDGET = "gridpress_bodies"


class BodyRequest(LimitedRequest):
    """A request whose body counts against the budget once it is read."""

    form_data_parser_class = FormParser

    @cached_property
    def stream(self) -> IO[bytes]:
        plain: IO[bytes] = super().stream  # raises for what is over the limit
        if "passes_body_on" in g:
            return cast("IO[bytes]", _InTurns(plain))
        if self.content_length is not None:
            hold(self.content_length)
        return cast("IO[bytes]", _InTurns(plain, is_counted=self.content_length is None))

    def _get_file_stream(self, total_content_length: int | None, *_: Any, **__: Any) -> IO[bytes]:
        is_small = total_content_length is not None and total_content_length <= _IN_MEMORY_BYTES
        return cast("IO[bytes]", BytesIO() if is_small else TemporaryFile("w+b"))


class _InTurns:
    """A body that lets other greenlets run between pieces, since a fast one would keep the event loop."""

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


def install(app: Flask, settings: Settings, held_bytes: Quota) -> None:
    """Installs the hooks. Must follow those that authenticate and precede those that read the body."""
    app.request_class = BodyRequest
    app.extensions[_BUDGET] = held_bytes
    app.config["MAX_CONTENT_LENGTH"] = min(MOST_BYTES, settings.max_body_bytes)
    app.before_request(partial(_allow_pictures, settings.max_body_bytes))
    app.teardown_request(lambda _: release())


def takes_pictures(view: Any) -> Any:
    """Marks a view whose body may hold pictures: it has their limit, not that of plain JSON."""
    setattr(view, _PICTURES, True)
    return view


def pass_on(most_bytes: int) -> None:
    """Marks the current request as streamed: its view reads up to `most_bytes` and keeps nothing in the budget."""
    request.max_content_length = most_bytes
    g.passes_body_on = True


def whole_body() -> bytes | mmap:
    """Returns the body of the current request; a large one stays on disk. Repeated calls read it once."""
    if "body" not in g:
        g.body = _received()
    return cast("bytes | mmap", g.body)


def content_of(file: IO[bytes]) -> bytes | mmap:
    """Returns the content of a form's file; a large one stays on disk."""
    if isinstance(file, BytesIO):
        return file.getvalue()
    return _mapped(file)


def hold(num_bytes: int) -> None:
    """Takes further bytes for the current request, until it ends or `release` is called. Raises `ServiceBusy`."""
    if not _budget().take(g.caller.tenant, num_bytes):
        raise ServiceBusy("the service holds as many bodies as it may at once; try again")
    g.held_bytes = g.get("held_bytes", 0) + num_bytes


def release() -> None:
    """Frees the body and the pictures of the current request, which may still wait for its job."""
    g.pop("body", None)
    g.pop("document", None)
    if held_bytes := g.pop("held_bytes", 0):
        _budget().give_back(g.caller.tenant, held_bytes)


def _budget() -> Quota:
    return cast("Quota", current_app.extensions[_BUDGET])


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
    with TemporaryFile("w+b") as file:  # the mapping has a handle of its own
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
