"""What is wrong with the lines of a file before a batch is made of it. What computes runs beside the event loop."""

from itertools import islice

from api.batch_schemas import LineErrorAnswer, LineErrors, ValidationAnswer
from api.offload import offload
from api.services import services
from shared.batches import BatchSpec, Fault
from shared.errors import InvalidRequest
from shared.files import StoredFile
from shared.intake.batch_file import BadBody, FileCheck
from shared.intake.batch_line import MOST_LINE_BYTES, line_request

_AT_ONCE = 500


def check_defaults(spec: BatchSpec) -> None:
    """Defaults that no line could be rendered with. Raises `InvalidRequest`."""
    images = {"images": [{"file_id": "file-" + "0" * 26}]} if spec.endpoint == "/v1/images/edits" else {}
    try:
        line_request(spec, {"prompt": "any", **images}, 0, services().settings, services().rules)
    except InvalidRequest as error:
        raise InvalidRequest(f"no line could be rendered so: {error}", f"defaults.{error.field}") from error


def validation(spec: BatchSpec, file: StoredFile) -> ValidationAnswer:
    """Raises `ObjectStoreUnavailable`."""
    house = services()
    check = FileCheck(spec, house.settings, house.rules.settled(), most_fatal=house.settings.max_batch_lines)
    bad = list[BadBody]()
    lines = (raw for _, raw in house.objects.lines(file.key, most_bytes=MOST_LINE_BYTES))
    while not check.is_hopeless and (some := list(islice(lines, _AT_ONCE))):
        bad += offload(check.take, some)
    check.end()
    errors = [_error(fault, None) for fault in check.fatal] + [_error(body.fault, body.custom_id) for body in bad]
    num_invalid = len({error.line for error in errors if error.line})
    return ValidationAnswer(
        is_batch=not (check.fatal or (spec.strict and bad)),
        total=check.num_requests,
        valid=check.num_requests - num_invalid,
        invalid=num_invalid,
        errors=LineErrors(data=sorted(errors, key=lambda error: error.line or 0)),
        has_more=check.is_hopeless,
        warnings=_warnings(check),
    )


def _error(fault: Fault, custom_id: str | None) -> LineErrorAnswer:
    return LineErrorAnswer(**fault.model_dump(), custom_id=custom_id)


def _warnings(check: FileCheck) -> list[str]:
    if not check.num_base64:
        return []
    return [
        f"{check.num_base64} lines ask for b64_json: the output file holds their pictures, some megabytes a line; "
        "links are always there"
    ]
