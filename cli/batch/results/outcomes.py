"""Parses the results of batch lines. A result has the API's response to one line, in OpenAI's batch format."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

from shared.jobs.spec import OutputFormat
from shared.wording.values import with_field

_STATUSES: Mapping[Any, str] = {
    200: "succeeded",
    409: "cancelled",
    504: "expired",
    "batch_cancelled": "cancelled",
    "batch_expired": "expired",
}
_CONTENT_POLICY = "content_policy_violation"  # OpenAI's code for content that a policy refuses


@dataclass(frozen=True, slots=True)
class PictureOutcome:
    """The outcome of one picture: its URL `link`, or an `error` that says why there is no picture."""

    index: int
    link: str | None
    status: str
    seed: int | None = None
    sha256: str | None = None
    error: str | None = None


@dataclass(frozen=True, slots=True)
class Outcome:
    """The outcome of one batch line: its pictures, or an `error` of the whole line."""

    custom_id: str
    job_id: str | None
    status: str
    suffix: str
    pictures: Sequence[PictureOutcome] = ()
    error: str | None = None

    @classmethod
    def of(cls, line: Mapping[str, Any]) -> Self:
        """Parses the result of one batch line, from an API response or from an output or error file."""
        response = line.get("response") or {}
        body = response.get("body") or {}
        pictures = _of_job(body) if "images" in body else _of_data(body)
        return cls(
            custom_id=line["custom_id"],
            job_id=line["job_id"],
            status=_status(line.get("error"), response.get("status_code"), body),
            suffix=_suffix(body.get("output_format")),
            pictures=pictures,
            error=None if pictures else _why(line.get("error"), body, response.get("status_code")),
        )


def _status(error: Any, status_code: int | None, body: Mapping[str, Any]) -> str:
    """Returns the status of a batch line: `succeeded`, `failed`, `cancelled`, `expired` or `rejected`, as for a
    picture.

    The status follows from the response, or from the line's error. A line that never ran has no response.
    """
    said = body.get("error")
    if body.get("status") == "rejected" or (isinstance(said, Mapping) and said.get("code") == _CONTENT_POLICY):
        return "rejected"
    code = error.get("code") if isinstance(error, Mapping) else status_code
    return _STATUSES.get(code, "failed")


def _suffix(output_format: Any) -> str:
    """Returns the file name suffix for an output format, and `png` for an unknown one.

    Accepts only known formats, so that a response can't choose a file name.
    """
    return output_format if output_format in list(OutputFormat) else OutputFormat.PNG


def _of_job(job: Mapping[str, Any]) -> list[PictureOutcome]:
    return [
        PictureOutcome(
            image["index"],
            image["url"],
            image["status"],
            image["seed"],
            image["sha256"],
            None if image["url"] else _message(image["error"], image["status"]),
        )
        for image in job["images"]
    ]


def _of_data(body: Mapping[str, Any]) -> list[PictureOutcome]:
    return [
        PictureOutcome(index, image["url"], "succeeded", image.get("seed"), image.get("sha256"))
        for index, image in enumerate(body.get("data", ()))
    ]


def _why(error: Any, body: Mapping[str, Any], status_code: int | None) -> str:
    """Returns the service's error message for a batch line, preceded by the name of the invalid field if there is one.

    The error of a line that never ran is in the line's result itself. Any other error is in its response.
    """
    said = error or body.get("error")
    field = said.get("param") if isinstance(said, Mapping) else None
    return with_field(field, _message(said, f"response status {status_code}"))


def _message(error: Any, otherwise: str) -> str:
    return str(error.get("message") or otherwise) if isinstance(error, Mapping) else otherwise
