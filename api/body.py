"""Reads the body of a job request: JSON, or multipart with files. Decides nothing about its fields."""

import json
from collections.abc import Sequence
from typing import Any

from flask import Request
from werkzeug.exceptions import UnsupportedMediaType

from api.schemas import RetryRequest
from shared.errors import InvalidRequest
from shared.intake.fields import validated
from shared.intake.request import Body, JobRequest

_IMAGE_PARTS = frozenset(("image", "images", "image[]", "images[]"))
_REQUEST_PART = "request"
_TEXT_FIELDS = frozenset(("prompt", "size", "output_format", "webhook_url", "webhook_payload", "webhook_secret"))


def read_body(http: Request) -> Body:
    """Raises `InvalidRequest`, and werkzeug's own errors for 413 and 415."""
    files: Sequence[bytes] = ()
    match http.mimetype:
        case "application/json":
            fields = from_json(http.get_data())
        case "multipart/form-data":
            fields, files = _from_multipart(http)
        case _:
            raise UnsupportedMediaType("send application/json or multipart/form-data")
    if not isinstance(fields, dict):
        raise InvalidRequest("the request must be a JSON object")
    return Body(validated(JobRequest, fields), files)


def read_retry(http: Request) -> RetryRequest:
    """Of a retry, which needs no body. Raises `InvalidRequest`."""
    return validated(RetryRequest, from_json(http.get_data()) if http.get_data() else {})


def from_json(text: str | bytes, field: str | None = None) -> Any:
    """NaN passes here and is refused by the field that it was meant for."""
    try:
        return json.loads(text)
    except RecursionError as error:
        raise InvalidRequest("malformed JSON: nested too deeply", field) from error
    except ValueError as error:
        raise InvalidRequest(f"malformed JSON: {error}", field) from error


def _from_multipart(http: Request) -> tuple[Any, list[bytes]]:
    for name in http.files:
        if name not in _IMAGE_PARTS | {_REQUEST_PART}:
            raise InvalidRequest(f"unknown file part {name}", name)
    files = [file.read() for name, file in http.files.items(multi=True) if name in _IMAGE_PARTS]
    requests = [*http.form.getlist(_REQUEST_PART), *(file.read() for file in http.files.getlist(_REQUEST_PART))]
    if requests:
        _refuse_more(http, requests)
        return from_json(requests[0], _REQUEST_PART), files
    return {name: _form_value(name, values) for name, values in http.form.lists()}, files


def _refuse_more(http: Request, requests: Sequence[str | bytes]) -> None:
    """The request part says everything: what stands beside it would be lost without a word."""
    if len(requests) > 1:
        raise InvalidRequest(f"{_REQUEST_PART} is given {len(requests)} times", _REQUEST_PART)
    for name in http.form:
        if name != _REQUEST_PART:
            raise InvalidRequest(f"{name} belongs into the part {_REQUEST_PART}", name)


def _form_value(name: str, values: Sequence[str]) -> Any:
    """A plain form field: text fields as they are, all others as JSON (`3`, `0.9`, `true`, `{"key": "value"}`)."""
    if len(values) > 1:
        raise InvalidRequest(f"{name} is given {len(values)} times", name)
    if "\ufffd" in values[0]:  # what werkzeug makes of bytes that are not UTF-8
        raise InvalidRequest(f"{name} is not UTF-8", name)
    return values[0] if name in _TEXT_FIELDS else from_json(values[0], name)
