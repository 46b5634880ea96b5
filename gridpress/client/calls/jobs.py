"""Describes the calls of `/v1/jobs`."""

import base64
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, TypedDict

from pydantic import BaseModel
from pydantic_core import to_jsonable_python

from gridpress.client.calls.call import Call, Json, as_bytes, as_model, as_nothing, escaped
from shared.intake.request import JobRequest
from shared.responses.cancellations import CancellationsResponse
from shared.responses.estimates import JobValidationResponse
from shared.responses.schemas import JobResponse

JOBS = "/v1/jobs"

_JOB = as_model(JobResponse)


class JobPage(BaseModel):
    """A page of jobs, newest first by default. `next` is the `after` of the next page."""

    data: list[JobResponse]
    has_more: bool
    next: str | None
    missing: list[str] | None = None


class CancelFilters(TypedDict, total=False):
    """Which jobs are cancelled: those with one of the statuses, of the batch, and with all pairs of metadata."""

    status: Sequence[Literal["queued", "running"]] | None
    batch: str | None
    metadata: Mapping[str, str]


def submit(request: JobRequest | str | None, fields: Mapping[str, object]) -> Call[JobResponse]:
    """Creates a job. `request` is the prompt or a whole request; `fields` are added to it."""
    return Call("POST", JOBS, _JOB, body=request_fields(request, fields))


def validate(request: JobRequest | str | None, fields: Mapping[str, object]) -> Call[JobValidationResponse]:
    """Checks a request for a job, without creating one."""
    return Call("POST", f"{JOBS}/validate", as_model(JobValidationResponse), body=request_fields(request, fields))


def rerender(job_id: str, index: int, fields: Mapping[str, object]) -> Call[JobResponse]:
    """Creates a job that decodes the token grid of an earlier picture again."""
    return submit(None, {"prior": {"job_id": job_id, "index": index}, **fields})


def job(job_id: str, hold_s: int = 0) -> Call[JobResponse]:
    """Reads a job. The service responds when the job has ended, but after at most `hold_s` seconds."""
    headers = {"Prefer": f"wait={hold_s}"} if hold_s else {}
    return Call("GET", path(job_id), _JOB, headers=headers, held_s=hold_s)


def jobs(filters: Mapping[str, Any]) -> Call[JobPage]:
    """Reads the first page of the jobs that `filters` select. The names of the filters are those of the API."""
    pairs: Mapping[str, str] = filters.get("metadata") or {}
    metadata = [f"{name}={value}" for name, value in pairs.items()]
    chosen = {name: value for name, value in filters.items() if value is not None}
    return Call("GET", JOBS, as_model(JobPage), params=to_jsonable_python({**chosen, "metadata": metadata}))


def by_ids(ids: Sequence[str]) -> Call[JobPage]:
    """Reads the jobs with these ids, at most 100."""
    return Call("GET", JOBS, as_model(JobPage), params={"ids": list(ids)})


def cancel_all(fields: Mapping[str, object]) -> Call[CancellationsResponse]:
    """Cancels up to 500 jobs, by their ids or by a filter."""
    return Call("POST", f"{JOBS}/cancel", as_model(CancellationsResponse), body=to_jsonable_python(dict(fields)))


def change(job_id: str, action: str) -> Call[JobResponse]:
    """Sends an action to a job: `cancel` or `retry`."""
    return Call("POST", f"{path(job_id)}/{action}", _JOB)


def delete(job_id: str) -> Call[None]:
    """Deletes a job that has ended."""
    return Call("DELETE", path(job_id), as_nothing)


def picture(job_id: str, index: int) -> Call[bytes]:
    """Reads the file of a finished picture."""
    return Call("GET", f"{path(job_id)}/images/{index}", as_bytes)


def path(job_id: str) -> str:
    """Returns the path of a job."""
    return f"{JOBS}/{escaped(job_id)}"


def request_fields(request: JobRequest | str | None, fields: Mapping[str, object]) -> Json:
    """Returns the JSON of a request for pictures. Fields that the caller left out are not sent.

    In `images`, a `Path` or bytes become a data URL.
    """
    found: dict[str, Any] = {}
    if isinstance(request, JobRequest):
        found = request.model_dump(mode="json", exclude_unset=True)
    elif request is not None:
        found = {"prompt": request}
    found |= fields
    if found.get("images"):
        found["images"] = [_image(image) for image in _all(found["images"])]
    return dict(to_jsonable_python(found))


def _all(images: object) -> Iterable[object]:
    return images if isinstance(images, list | tuple) else [images]


def _image(image: object) -> object:
    data = image.read_bytes() if isinstance(image, Path) else image
    if not isinstance(data, bytes):
        return image
    # The service tells the format of a picture by its content, so the media type does not matter.
    return f"data:application/octet-stream;base64,{base64.b64encode(data).decode()}"
