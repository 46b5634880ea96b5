"""Reads lines of results: OpenAI's envelope around the answer of whichever endpoint a line was for."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

from shared.jobs.spec import OutputFormat

_STATUSES: Mapping[Any, str] = {
    200: "succeeded",
    409: "cancelled",
    504: "expired",
    "batch_cancelled": "cancelled",
    "batch_expired": "expired",
}


@dataclass(frozen=True, slots=True)
class Drawn:
    """What became of one picture: `link` leads to it, or `error` says why there is none."""

    index: int
    link: str | None
    status: str
    seed: int | None = None
    sha256: str | None = None
    error: str | None = None


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one line. With an `error` of the line itself there are no pictures to tell of."""

    custom_id: str
    job_id: str | None
    status: str
    suffix: str
    pictures: Sequence[Drawn] = ()
    error: str | None = None

    @classmethod
    def of(cls, line: Mapping[str, Any]) -> Self:
        """Of one line of results, or of an output or error file."""
        response = line.get("response") or {}
        body = response.get("body") or {}
        pictures = _of_job(body) if "images" in body else _of_data(body)
        return cls(
            custom_id=line["custom_id"],
            job_id=line["job_id"],
            status=_status(line.get("error"), response.get("status_code")),
            suffix=_suffix(body.get("output_format")),
            pictures=pictures,
            error=None if pictures else _why(line.get("error"), body, response.get("status_code")),
        )


def _status(error: Any, status_code: int | None) -> str:
    """Returns the line's status in the words of a picture's. A line that never ran has an error but no response."""
    code = error.get("code") if isinstance(error, Mapping) else status_code
    return _STATUSES.get(code, "failed")


def _suffix(output_format: Any) -> str:
    """Names of files are never what somebody else says."""
    return output_format if output_format in list(OutputFormat) else OutputFormat.PNG


def _of_job(job: Mapping[str, Any]) -> list[Drawn]:
    return [
        Drawn(
            image["index"],
            image["url"],
            image["status"],
            image["seed"],
            image["sha256"],
            None if image["url"] else _message(image["error"], image["status"]),
        )
        for image in job["images"]
    ]


def _of_data(body: Mapping[str, Any]) -> list[Drawn]:
    return [
        Drawn(index, image["url"], "succeeded", image.get("seed"), image.get("sha256"))
        for index, image in enumerate(body.get("data", ()))
    ]


def _why(error: Any, body: Mapping[str, Any], status_code: int | None) -> str:
    """The service's own words: of a line that never ran, or of the answer that it would have had."""
    said = error or body.get("error")
    field = said.get("param") if isinstance(said, Mapping) else None
    return (f"{field}: " if field else "") + _message(said, f"answered {status_code}")


def _message(error: Any, otherwise: str) -> str:
    return str(error.get("message") or otherwise) if isinstance(error, Mapping) else otherwise
