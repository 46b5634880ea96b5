"""Formats the result of a batch line as one line of JSON. Results never contain a presigned URL."""

import base64
import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from shared.batches.batch import Batch, Fault, LineState
from shared.batches.outputs import output_folder_of, output_key
from shared.ids import JobId, ObjectKey
from shared.intake.openai import GenerationRequest, ImagesRequest
from shared.jobs.job import Job, Picture
from shared.jobs.states import JobStatus
from shared.responses.job import job_response, picture_facts
from shared.responses.openai import images_head
from shared.settings.settings import Settings

_STATUSES = {JobStatus.SUCCEEDED: 200, JobStatus.CANCELLED: 409, JobStatus.EXPIRED: 504, JobStatus.REJECTED: 400}
_CONTENT_POLICY = "content_policy_violation"  # OpenAI's code
_NEVER_RUN = {
    LineState.CANCELLED: ("batch_cancelled", "the batch was cancelled before this line was begun"),
    LineState.EXPIRED: ("batch_expired", "the batch expired before this line was begun"),
}
# Fields of an OpenAI image request that affect the response, so they are stored until the result is written.
_STORED_FIELDS = {"quality", "response_format", "safety_identifier", "user"}


def note_of(custom_id: str, asked: ImagesRequest | None) -> str:
    """Returns the JSON text that is stored with a line's job until the line's result is written.

    It holds the line's `custom_id` and, for OpenAI endpoints, the request fields that the response needs, and its
    warnings.
    """
    fields = asked.model_dump(include=_STORED_FIELDS, exclude_none=True) if asked else None
    warnings = asked.warnings if asked else []
    return json.dumps({"custom_id": custom_id, "asked": fields, "warnings": warnings})


@dataclass(frozen=True, slots=True)
class Results:
    """Formats the results of one batch.

    `read` returns the bytes of a stored picture. It is called for lines that request their pictures in base64.
    """

    batch: Batch
    settings: Settings
    read: Callable[[ObjectKey], bytes]

    def of_job(self, job: Job, line: int, note: str) -> bytes:
        """Returns the result line of a batch line whose job has ended."""
        kept = json.loads(note)
        asked = None if kept["asked"] is None else GenerationRequest(prompt=job.spec.settings.prompt, **kept["asked"])
        body = self._job(job) if asked is None else self._images(job, asked, kept.get("warnings"))
        self._add_copies(job, kept["custom_id"], body)
        status = _STATUSES.get(job.status, 500)
        return _line(kept["custom_id"], line, job.job_id, body, status=status, request_id=job.job_id)

    def of_fault(self, custom_id: str, fault: Fault) -> bytes:
        """Returns the result line of a batch line whose request body is invalid."""
        assert fault.line is not None
        body = _error(fault.code, fault.message, fault.param)
        return _line(custom_id, fault.line - 1, None, body, status=400, request_id=self._request_id)

    def of_never_run(self, custom_id: str, line: int, state: LineState) -> bytes:
        """Returns the result line of a batch line that was cancelled or expired before it became a job."""
        code, message = _NEVER_RUN[state]
        return _line(custom_id, line, None, {"code": code, "message": message})

    @property
    def _request_id(self) -> str:
        """Returns the request id of lines without a job: that of the request which created the batch, as in the log."""
        return self.batch.origin.request_id if self.batch.origin else self.batch.batch_id

    def _job(self, job: Job) -> dict[str, Any]:
        body = job_response(job, self.settings.public_url, self.settings.served_model_name)
        for image, render in zip(body["images"], job.renders, strict=True):
            if render.picture:
                image |= {"url": self._link(render.picture), "key": render.picture.key}
        return body

    def _images(self, job: Job, asked: ImagesRequest, warnings: list[str] | None) -> dict[str, Any]:
        if job.status is not JobStatus.SUCCEEDED:
            return _failure(job)
        head = images_head(job, asked).model_dump(mode="json", exclude_none=True)
        head |= {"warnings": warnings} if warnings else {}  # a note of an earlier version has none
        return {**head, "data": [self._datum(job, index, asked) for index in range(len(job.renders))]}

    def _datum(self, job: Job, index: int, asked: ImagesRequest) -> dict[str, Any]:
        render = job.renders[index]
        picture = render.picture
        assert picture
        fields: dict[str, Any] = {
            "url": self._link(picture),
            "key": picture.key,
            "sha256": picture.sha256,
            "bytes": picture.num_bytes,
            "seed": render.seed,
            "prompt": job.spec.settings.prompt,
        }
        fields |= picture_facts(render)
        if job.revised_prompt:
            fields["revised_prompt"] = job.revised_prompt
        if asked.response_format == "b64_json":
            fields["b64_json"] = base64.b64encode(self.read(picture.key)).decode()
        return fields

    def _add_copies(self, job: Job, custom_id: str, body: dict[str, Any]) -> None:
        """Adds the keys of the copies under the batch's `output_prefix` to the pictures of a succeeded line."""
        folder = output_folder_of(self.batch.batch_id, self.batch.spec)
        if folder is None or job.status is not JobStatus.SUCCEEDED:
            return
        images, suffix = body.get("images") or body["data"], job.spec.settings.output_format.value
        for index, image in enumerate(images):
            image["output_key"] = output_key(folder, custom_id, index, len(images), suffix)

    def _link(self, picture: Picture) -> str:
        """Returns the API URL of a picture of the batch.

        The URL works while the batch exists, even after the job's record is purged.
        """
        _, job_id, index, holder, name = picture.key.split("/")
        file = f"{job_id}/{int(index)}/{holder}.{name.rpartition('.')[2]}"
        return f"{self.settings.public_url.rstrip('/')}/v1/batches/{self.batch.batch_id}/pictures/{file}"


def _line(
    custom_id: str,
    line: int,
    job_id: JobId | None,
    body: dict[str, Any],
    *,
    status: int | None = None,
    request_id: str = "",
) -> bytes:
    """Returns a result line of a batch as JSON. If `status` is None, the result has no response, and `body` is the
    error of the line.
    """
    response = {"status_code": status, "request_id": request_id, "body": body}
    fields = {
        "id": f"batch_req_{job_id.removeprefix('job_')}" if job_id else f"batch_req_{line + 1}",
        "custom_id": custom_id,
        "line": line + 1,
        "job_id": job_id,
        "response": None if status is None else response,
        "error": body if status is None else None,
    }
    return json.dumps(fields, ensure_ascii=False, separators=(",", ":")).encode() + b"\n"


def _failure(job: Job) -> dict[str, Any]:
    found = job.error or {}
    message = str(found.get("message", f"the job is {job.status}"))
    if job.status is JobStatus.REJECTED:
        return _error(_CONTENT_POLICY, message, None)
    return _error(str(found.get("code", f"job_{job.status}")), message, None, "server_error")


def _error(code: str, message: str, param: str | None, kind: str = "invalid_request_error") -> dict[str, Any]:
    return {"error": {"message": message, "type": kind, "param": param, "code": code}}
