"""Parses a multipart body as a stream. Yields each field as a whole and each file in pieces, and stores no file."""

from collections.abc import Iterator
from dataclasses import dataclass

from flask import Request
from werkzeug.exceptions import UnsupportedMediaType
from werkzeug.sansio import multipart

from api.bodies.forms import MOST_BOUNDARY_CHARS
from shared.errors import InvalidRequest

_CHUNK_BYTES = 64 * 1024
_MOST_FIELD_BYTES = 4096
_MOST_PARTS = 20


@dataclass(frozen=True, slots=True)
class FormField:
    """A field of a streamed multipart body, with its whole value."""

    name: str
    value: str


@dataclass(frozen=True, slots=True)
class FileStart:
    """The start of a file in a streamed multipart body. The bytes of the file follow."""

    name: str
    filename: str


def read_parts(http: Request) -> Iterator[FormField | FileStart | bytes]:
    """Yields the fields, the starts of files and the bytes of files of a multipart body, in their order.

    Raises `InvalidRequest`, and werkzeug's errors for 413, 415 and a client that disconnects.
    """
    boundary = http.mimetype_params.get("boundary")
    if http.mimetype != "multipart/form-data" or not boundary or len(boundary) > MOST_BOUNDARY_CHARS:
        raise UnsupportedMediaType("send multipart/form-data")
    decoder = multipart.MultipartDecoder(
        boundary.encode("latin-1", "replace"), max_form_memory_size=2 * _CHUNK_BYTES, max_parts=_MOST_PARTS
    )
    field: str | None = None
    value = b""
    for event in _events(http, decoder):
        if isinstance(event, multipart.Field | multipart.File) and not event.name:
            raise InvalidRequest("a part of the body has no name")
        match event:
            case multipart.Field():
                field, value = event.name, b""
            case multipart.File():
                field = None
                yield FileStart(event.name, event.filename)
            case multipart.Data() if field is not None:
                value += event.data
                if len(value) > _MOST_FIELD_BYTES:
                    raise InvalidRequest(f"{field} is longer than {_MOST_FIELD_BYTES} bytes", field)
                if not event.more_data:
                    yield FormField(field, _text(field, value))
            case multipart.Data():
                yield event.data


def _events(http: Request, decoder: multipart.MultipartDecoder) -> Iterator[multipart.Event]:
    while True:
        try:
            event = decoder.next_event()
            if isinstance(event, multipart.NeedData):
                decoder.receive_data(http.stream.read(_CHUNK_BYTES) or None)
                continue
        except ValueError as error:
            raise InvalidRequest("malformed multipart body") from error
        yield event
        if isinstance(event, multipart.Epilogue):
            return


def _text(name: str, value: bytes) -> str:
    try:
        return value.decode()
    except UnicodeDecodeError as error:
        raise InvalidRequest(f"{name} is not UTF-8", name) from error
