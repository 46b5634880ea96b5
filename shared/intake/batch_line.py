"""Parses one line of a batch file: OpenAI's envelope, which contains the body of a request to one endpoint."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from shared.batches.batch import NATIVE, BatchSpec, Fault
from shared.egress.rules import EgressRules
from shared.errors import InvalidRequest
from shared.intake.checks import check
from shared.intake.fields import InvalidFields, validated
from shared.intake.file_kinds import without_mark
from shared.intake.json_documents import read_json
from shared.intake.model_defaults import with_model_defaults
from shared.intake.openai import EditRequest, GenerationRequest, ImagesRequest
from shared.intake.request import JobRequest
from shared.intake.types import Text
from shared.jobs.spec import SEED_LIMIT
from shared.models.catalogue import Catalogue
from shared.settings.settings import Settings
from shared.wording.sentences import Wording

_MOST_CHARS = 500  # maximum length of the parts of a line that a fault quotes
MOST_LINE_BYTES = 16 * 1024 * 1024  # an edit may contain its image

# The batch's default size is not used for a line with one of these fields: a re-render has the size of its prior, and
# a width or height would conflict with the default.
_WITHOUT_SIZE = frozenset({"prior", "width", "height", "size"})


class Envelope(BaseModel):
    """The envelope of one line in a batch file: OpenAI's fields around the body of a request."""

    model_config = ConfigDict(hide_input_in_errors=True, extra="forbid", strict=True, frozen=True)

    custom_id: Annotated[Text, Field(min_length=1, max_length=512)]
    method: Literal["POST"]
    url: str
    body: dict[str, Any]


class BadLine(Exception):
    """Raised for a malformed line of a batch file, which makes the whole batch fail."""

    def __init__(self, fault: Fault) -> None:
        super().__init__(fault.message)
        self.fault = fault


@dataclass(frozen=True, slots=True)
class LineRequest:
    """The request of a batch line. `asked` is the request in OpenAI's format, or None if the batch is for /v1/jobs."""

    request: JobRequest
    asked: ImagesRequest | None


def read_envelope(raw: bytes, line: int) -> Envelope:
    """Parses the envelope of a batch line. `line` counts from 0. Raises `BadLine`."""
    if len(raw) > MOST_LINE_BYTES:
        raise BadLine(Fault(code="line_too_long", message=f"more than {MOST_LINE_BYTES} bytes", line=line + 1))
    try:
        return Envelope.model_validate(read_json(without_mark(raw) if line == 0 else raw))
    except InvalidRequest as error:
        raise BadLine(Fault(code="invalid_json_line", message=str(error), line=line + 1)) from error
    except ValidationError as error:
        first = _ENVELOPE.flaws(error, 1)[0]
    param = first.field and first.field[:_MOST_CHARS]
    raise BadLine(
        Fault(code=_CODES.get(first.kind, "invalid_value"), message=first.message, param=param, line=line + 1)
    )


_ENVELOPE = Wording(Envelope, whole="the line")
_CODES = {
    "model_type": "invalid_json_line",
    "missing": "missing_required_parameter",
    "extra_forbidden": "unknown_parameter",
}


def line_request(
    spec: BatchSpec, body: Mapping[str, Any], line: int, settings: Settings, rules: EgressRules, *, catalogue: Catalogue
) -> LineRequest:
    """Parses and validates the body of a batch line, except for its images. Fills in the defaults of its model.

    Raises `InvalidRequest` and `InvalidImage`.
    """
    fields = {**_defaults(spec, body, line), **body, "priority": spec.priority.value}
    if spec.endpoint == NATIVE:
        found = LineRequest(validated(JobRequest, fields, most_errors=1), None)
    else:
        found = _of_images(spec, fields)
    if found.request.delete_after_s is not None:
        raise InvalidRequest(
            "a batch line is deleted with its batch: set delete_after_s of the batch", "delete_after_s"
        )
    request = with_model_defaults(found.request, catalogue.limited_to(spec.models))
    check(request, settings, rules)
    return replace(found, request=request)


def fault_of(error: InvalidRequest, line: int) -> Fault:
    """Returns the fault that is stored for an invalid request in a batch line, made from the first error of the
    request. `line` counts from 0.
    """
    message = error.errors[0].message if isinstance(error, InvalidFields) else str(error)
    param = error.field and error.field[:_MOST_CHARS]
    return Fault(code=error.code, message=message[:_MOST_CHARS], param=param, line=line + 1)


def _of_images(spec: BatchSpec, fields: Mapping[str, Any]) -> LineRequest:
    asked: ImagesRequest
    if spec.endpoint == "/v1/images/edits":
        asked = edit = validated(EditRequest, fields, most_errors=1)
        if not edit.images:
            raise InvalidRequest("an edit needs an image", "images")
    else:
        asked = validated(GenerationRequest, fields, most_errors=1)
    if asked.stream:
        raise InvalidRequest("a batch line can't be streamed", "stream")
    return LineRequest(validated(JobRequest, asked.fields_of_job(), most_errors=1), asked)


def _defaults(spec: BatchSpec, body: Mapping[str, Any], line: int) -> dict[str, Any]:
    fields = spec.defaults.model_dump(exclude_none=True)
    if not _WITHOUT_SIZE.isdisjoint(body):
        fields.pop("size", None)
    if "prior" in body:
        fields.pop("model", None)
    if "seed" in fields:
        fields["seed"] = (fields["seed"] + line) % SEED_LIMIT
    return fields
