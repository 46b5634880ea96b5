"""What came of a line, as one line of JSON. Never a presigned URL."""

import base64
import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from shared.batches.batch import Batch, Fault, LineState
from shared.ids import JobId, ObjectKey
from shared.jobs.job import Job, Picture
from shared.jobs.responses import job_answer
from shared.jobs.states import JobStatus
from shared.openai.requests import GenerationRequest, ImagesRequest
from shared.openai.responses import images_head
from shared.settings.settings import Settings

_STATUSES = {JobStatus.SUCCEEDED: 200, JobStatus.CANCELLED: 409, JobStatus.EXPIRED: 504}
_NEVER_RUN = {
    LineState.CANCELLED: ("batch_cancelled", "the batch was cancelled before this line was begun"),
    LineState.EXPIRED: ("batch_expired", "the time of the batch was over before this line was begun"),
}
# What of a request at one of OpenAI's endpoints its answer tells again.
_ASKED = {"quality", "response_format", "safety_identifier", "user"}


def note_of(custom_id: str, asked: ImagesRequest | None) -> str:
    """What is kept with a line's job until its result is written."""
    told = asked.model_dump(include=_ASKED, exclude_none=True) if asked else None
    return json.dumps({"custom_id": custom_id, "asked": told})


@dataclass(frozen=True, slots=True)
class Results:
    """Those of one batch. `read` fetches a picture, for lines that want it in the file."""

    batch: Batch
    settings: Settings
    read: Callable[[ObjectKey], bytes]

    def of_job(self, job: Job, line: int, note: str) -> bytes:
        """Of a job that ended."""
        kept = json.loads(note)
        asked = None if kept["asked"] is None else GenerationRequest(prompt=job.spec.settings.prompt, **kept["asked"])
        body = self._job(job) if asked is None else self._images(job, asked)
        return _line(kept["custom_id"], line, job.job_id, _STATUSES.get(job.status, 500), body)

    def of_fault(self, custom_id: str, fault: Fault) -> bytes:
        """Of a body that can't be rendered."""
        assert fault.line is not None
        return _line(custom_id, fault.line - 1, None, 400, _error(fault.code, fault.message, fault.param))

    def of_never_run(self, custom_id: str, line: int, state: LineState) -> bytes:
        code, message = _NEVER_RUN[state]
        return _line(custom_id, line, None, None, {"code": code, "message": message})

    def _job(self, job: Job) -> dict[str, Any]:
        body = job_answer(job, self.settings.public_url, self.settings.served_model_name)
        for image, render in zip(body["images"], job.renders, strict=True):
            if render.picture:
                image |= {"url": self._link(render.picture), "key": render.picture.key}
        return body

    def _images(self, job: Job, asked: ImagesRequest) -> dict[str, Any]:
        if job.status is not JobStatus.SUCCEEDED:
            return _failure(job)
        head = images_head(job, asked).model_dump(mode="json", exclude_none=True)
        return {**head, "data": [self._datum(job, index, asked) for index in range(len(job.renders))]}

    def _datum(self, job: Job, index: int, asked: ImagesRequest) -> dict[str, Any]:
        render = job.renders[index]
        picture = render.picture
        assert picture
        told: dict[str, Any] = {
            "url": self._link(picture),
            "key": picture.key,
            "sha256": picture.sha256,
            "bytes": picture.num_bytes,
            "seed": render.seed,
            "prompt": job.spec.settings.prompt,
        }
        if job.revised_prompt:
            told["revised_prompt"] = job.revised_prompt
        if asked.response_format == "b64_json":
            told["b64_json"] = base64.b64encode(self.read(picture.key)).decode()
        return told

    def _link(self, picture: Picture) -> str:
        """Good for as long as the batch is kept, also when the job's record is gone."""
        _, job_id, index, holder, name = picture.key.split("/")
        file = f"{job_id}/{int(index)}/{holder}.{name.rpartition('.')[2]}"
        return f"{self.settings.public_url.rstrip('/')}/v1/batches/{self.batch.batch_id}/pictures/{file}"


def _line(custom_id: str, line: int, job_id: JobId | None, status: int | None, body: dict[str, Any]) -> bytes:
    """Without a status the line was never answered, and `body` says why."""
    response = {"status_code": status, "request_id": job_id or "", "body": body}
    told = {
        "id": f"batch_req_{job_id.removeprefix('job_')}" if job_id else f"batch_req_{line + 1}",
        "custom_id": custom_id,
        "line": line + 1,
        "job_id": job_id,
        "response": None if status is None else response,
        "error": body if status is None else None,
    }
    return json.dumps(told, ensure_ascii=False, separators=(",", ":")).encode() + b"\n"


def _failure(job: Job) -> dict[str, Any]:
    found = next((render.error for render in job.renders if render.error), {})
    code = str(found.get("code", f"job_{job.status}"))
    return _error(code, str(found.get("message", f"the job is {job.status}")), None, "server_error")


def _error(code: str, message: str, param: str | None, kind: str = "invalid_request_error") -> dict[str, Any]:
    return {"error": {"message": message, "type": kind, "param": param, "code": code}}
