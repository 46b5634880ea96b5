"""Describes the calls of `/v1/batches`, and writes the lines of a batch file."""

import json
from collections.abc import Iterable, Mapping
from typing import Any

from pydantic_core import to_jsonable_python

from gridpress.client.calls.call import Call, as_bytes, as_json_lines, as_model, as_nothing, escaped
from gridpress.client.calls.jobs import JOBS, request_fields
from shared.intake.request import JobRequest
from shared.responses.batches import BatchPage, BatchResponse, ResultPage

BATCHES = "/v1/batches"
_MOST_RESULTS = 1000  # of a page

_BATCH = as_model(BatchResponse)

Requests = Iterable[JobRequest | str | Mapping[str, object]]


def lines(requests: Requests) -> bytes:
    """Returns a batch file with one line for each request: a prompt, a `JobRequest`, or the fields of a request.

    `custom_id` is a field of a line, not of a request. A request without it gets its number, counted from 1.
    """
    written = []
    for number, request in enumerate(requests, start=1):
        fields = dict(request) if isinstance(request, Mapping) else {}
        custom_id = str(fields.pop("custom_id", number))
        body = request_fields(None if isinstance(request, Mapping) else request, fields)
        written.append(json.dumps({"custom_id": custom_id, "method": "POST", "url": JOBS, "body": body}))
    return "".join(f"{line}\n" for line in written).encode()


def create(input_file_id: str, fields: Mapping[str, object]) -> Call[BatchResponse]:
    """Creates a batch from an uploaded file of requests for `/v1/jobs`."""
    asked = {"input_file_id": input_file_id, "endpoint": JOBS, "completion_window": "24h", **fields}
    return Call("POST", BATCHES, _BATCH, body=to_jsonable_python(asked))


def batch(batch_id: str) -> Call[BatchResponse]:
    """Reads a batch."""
    return Call("GET", path(batch_id), _BATCH)


def batches() -> Call[BatchPage]:
    """Reads the first page of all batches."""
    return Call("GET", BATCHES, as_model(BatchPage), params={"limit": 100})


def change(batch_id: str, action: str) -> Call[BatchResponse]:
    """Sends an action to a batch: `pause`, `resume`, `cancel` or `retry`."""
    return Call("POST", f"{path(batch_id)}/{action}", _BATCH)


def delete(batch_id: str) -> Call[None]:
    """Deletes a batch that has ended."""
    return Call("DELETE", path(batch_id), as_nothing)


def results(batch_id: str) -> Call[ResultPage]:
    """Reads the first page of a batch's results."""
    return Call("GET", f"{path(batch_id)}/results", as_model(ResultPage), params={"limit": _MOST_RESULTS})


def archive(batch_id: str, kind: str) -> Call[bytes]:
    """Reads an archive of the finished pictures. `kind` is `zip` or `tar`."""
    return Call("GET", f"{path(batch_id)}/archive", as_bytes, params={"format": kind})


def picture(batch_id: str, name: str) -> Call[bytes]:
    """Reads a picture of a batch with an `output_prefix` by its name, such as `mug-17.png`."""
    return Call("GET", f"{path(batch_id)}/outputs/{escaped(name)}", as_bytes)


def manifest(batch_id: str) -> Call[list[dict[str, Any]]]:
    """Reads the descriptions of the finished pictures: names, checksums, sizes and settings."""
    return Call("GET", f"{path(batch_id)}/manifest", as_json_lines)


def path(batch_id: str) -> str:
    """Returns the path of a batch."""
    return f"{BATCHES}/{escaped(batch_id)}"
