"""Reads the body of a request for a job (JSON, or a multipart form with files), and validates its fields."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeVar, cast

from flask import Request, g
from pydantic import BaseModel
from typing_extensions import Buffer
from werkzeug.exceptions import UnsupportedMediaType

from api.bodies.incoming import content_of, whole_body
from shared.errors import InvalidRequest
from shared.intake.fields import validated
from shared.intake.json_documents import Document, Source, read_document
from shared.intake.request import Body, JobRequest

Model = TypeVar("Model", bound=BaseModel)

_IMAGE_PARTS = frozenset(("image", "images", "image[]", "images[]"))
_REQUEST_PART = "request"
_MAY_BE_EMPTY = frozenset(("prompt", _REQUEST_PART))
_JSON = re.compile(r"\s*([\[{\"]|null\s*$)")  # the start of a list, an object or quoted text; or null
_TEXT_FIELDS = frozenset(("prompt", "size", "output_format", "webhook_url", "webhook_payload", "webhook_secret"))


@dataclass(frozen=True, slots=True)
class ReadBody:
    """The body of a request for a job, before its fields are validated. `files` were uploaded with them, in order."""

    document: Document
    files: Sequence[Buffer]

    @property
    def fields(self) -> dict[str, Any]:
        """Returns the fields of the request. Raises `InvalidRequest` if the body is no JSON object."""
        if not isinstance(self.document.value, dict):
            raise InvalidRequest("the request must be a JSON object")
        return self.document.value

    def of(self, request: JobRequest) -> Body:
        """Returns the body with its validated fields. Raises `InvalidRequest` if another field than `images` has a
        picture.
        """
        return Body(request, self.files, self.document.pictures_of(request.images))


def read_body(http: Request) -> Body:
    """Reads, validates and returns the body of a request for a job.

    Raises `InvalidRequest`, and werkzeug's errors for the statuses 413 and 415.
    """
    body = read_fields(http)
    return body.of(validated(JobRequest, body.fields))


def read_fields(http: Request) -> ReadBody:
    """Reads the body of a request for a job without validating its fields. Raises the errors of `read_body`."""
    match http.mimetype:
        case "application/json":
            return ReadBody(body_document(), ())
        case "multipart/form-data":
            return ReadBody(*_from_multipart(http))
        case _:
            raise UnsupportedMediaType("send application/json or multipart/form-data")


def read_optional(schema: type[Model]) -> Model:
    """Reads a request body that may be empty, validates it by `schema` and returns it. Raises `InvalidRequest`."""
    return validated(schema, body_document().value if whole_body() else {})


def body_document() -> Document:
    """Returns the JSON document in the body of the current request. The body is parsed only at the first call.

    Raises `InvalidRequest` and `PayloadTooLarge`.
    """
    if "document" not in g:
        g.document = read_document(whole_body())
    return cast("Document", g.document)


def from_json(text: str, field: str) -> Any:
    """Parses the text of a form field as JSON and returns the value. The field can't contain pictures.

    Raises `InvalidRequest` and `PayloadTooLarge`.
    """
    return read_document(text.encode(), field).value


def _from_multipart(http: Request) -> tuple[Document, list[Buffer]]:
    for name in http.files:
        if name not in _IMAGE_PARTS | {_REQUEST_PART}:
            raise InvalidRequest(f"unknown file part {name}", name)
    parts = http.files.items(multi=True)
    files: list[Buffer] = [content_of(file.stream) for name, file in parts if name in _IMAGE_PARTS]
    requests: list[Source] = [text.encode() for text in http.form.getlist(_REQUEST_PART)]
    requests += [content_of(file.stream) for file in http.files.getlist(_REQUEST_PART)]
    if requests:
        _refuse_more(http, requests)
        return read_document(requests[0], _REQUEST_PART), files
    return _document_of(http), files


def _document_of(http: Request) -> Document:
    values: dict[str, Any] = {}
    cut: list[tuple[str, memoryview]] = []
    for name, texts in http.form.lists():
        part = _form_value(name, texts)
        if part.value != "" or name in _MAY_BE_EMPTY:  # HTML forms also send the fields that were left empty
            values[name] = part.value
            cut += part.cut
    return Document(values, cut)


def _refuse_more(http: Request, requests: Sequence[object]) -> None:
    """Raises `InvalidRequest` if a multipart form has other fields beside the part `request`.

    The part `request` contains the whole request, so the other fields would have no effect.
    """
    if len(requests) > 1:
        raise InvalidRequest(f"{_REQUEST_PART} is given {len(requests)} times", _REQUEST_PART)
    for name in http.form:
        if name != _REQUEST_PART:
            raise InvalidRequest(f"{name} must be a field of the JSON in the part {_REQUEST_PART}", name)


def _form_value(name: str, values: Sequence[str]) -> Document:
    """Parses and returns the value of a form field that is not a file.

    Lists and objects are JSON. All other values are text, which is converted to a number or boolean where the field is
    one.
    """
    if len(values) > 1:
        raise InvalidRequest(f"{name} is given {len(values)} times", name)
    text = values[0]
    if "\ufffd" in text:  # werkzeug's replacement for bytes that are not UTF-8
        raise InvalidRequest(f"{name} is not UTF-8", name)
    is_text = name in _TEXT_FIELDS or not _JSON.match(text)
    return Document(text) if is_text else read_document(text.encode(), name)
