"""Reads the body of a job request, JSON or multipart with files. Does not check its fields."""

from collections.abc import Sequence
from typing import Any, cast

from flask import Request, g
from typing_extensions import Buffer
from werkzeug.exceptions import UnsupportedMediaType

from api.jobs.schemas import RetryRequest
from api.server.incoming import content_of, whole_body
from shared.errors import InvalidRequest
from shared.intake.documents import Document, Source, read_document
from shared.intake.fields import validated
from shared.intake.request import Body, JobRequest

_IMAGE_PARTS = frozenset(("image", "images", "image[]", "images[]"))
_REQUEST_PART = "request"
_TEXT_FIELDS = frozenset(("prompt", "size", "output_format", "webhook_url", "webhook_payload", "webhook_secret"))


def read_body(http: Request) -> Body:
    """Reads the body. Raises `InvalidRequest`, and werkzeug's errors for 413 and 415."""
    files: Sequence[Buffer] = ()
    match http.mimetype:
        case "application/json":
            document = body_document()
        case "multipart/form-data":
            document, files = _from_multipart(http)
        case _:
            raise UnsupportedMediaType("send application/json or multipart/form-data")
    if not isinstance(document.value, dict):
        raise InvalidRequest("the request must be a JSON object")
    request = validated(JobRequest, document.value)
    return Body(request, files, document.pictures_of(request.images))


def read_retry(http: Request) -> RetryRequest:
    """Reads the body of a retry, which may be empty. Raises `InvalidRequest`."""
    return validated(RetryRequest, body_document().value if whole_body() else {})


def body_document() -> Document:
    """Returns the JSON of the current request, parsed once. Raises `InvalidRequest` and `PayloadTooLarge`."""
    if "document" not in g:
        g.document = read_document(whole_body())
    return cast("Document", g.document)


def from_json(text: str, field: str) -> Any:
    """Parses the JSON of a form field that holds no pictures. Raises as `body_document` does."""
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
        values[name] = part.value
        cut += part.cut
    return Document(values, cut)


def _refuse_more(http: Request, requests: Sequence[object]) -> None:
    """Refuses other form fields beside the request part, which would be ignored otherwise."""
    if len(requests) > 1:
        raise InvalidRequest(f"{_REQUEST_PART} is given {len(requests)} times", _REQUEST_PART)
    for name in http.form:
        if name != _REQUEST_PART:
            raise InvalidRequest(f"{name} belongs into the part {_REQUEST_PART}", name)


def _form_value(name: str, values: Sequence[str]) -> Document:
    """Parses a plain form field: text fields as they are, all others as JSON (`3`, `0.9`, `true`, `{"key":
    "value"}`).
    """
    if len(values) > 1:
        raise InvalidRequest(f"{name} is given {len(values)} times", name)
    if "\ufffd" in values[0]:  # what werkzeug makes of bytes that are not UTF-8
        raise InvalidRequest(f"{name} is not UTF-8", name)
    return Document(values[0]) if name in _TEXT_FIELDS else read_document(values[0].encode(), name)
