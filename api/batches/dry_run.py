"""Says what a batch would come to, without making it: lines that would fail, pictures, cost and expected end."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

import structlog

from api.batches.expected_end import BatchEnd, Ends
from api.batches.response_schemas import CostAnswer, DryRunAnswer
from api.batches.schemas import BatchRequest
from api.batches.validation import Checked, checked
from api.jobs.body import body_document
from api.services import Services
from shared.batches.batch import BatchSpec, LineState, input_key
from shared.errors import BatchNotRetryable, GridpressError, InvalidRequest
from shared.files import StoredFile
from shared.ids import ObjectKey

log = structlog.get_logger()

_RETRIED = (LineState.FAILED, LineState.EXPIRED, LineState.CANCELLED)


def is_dry_run() -> bool:
    """Returns whether the current request asks for a dry run, so that no key of idempotency is used up for it."""
    try:
        fields = body_document().value
    except GridpressError:
        return False  # the route says what is wrong
    return isinstance(fields, dict) and fields.get("dry_run") is True


def dry_run(house: Services, asked: BatchRequest, spec: BatchSpec, file: StoredFile) -> bytes:
    """Returns a `DryRunAnswer` in JSON. Raises as `checked` does, as making the batch would, and `InvalidRequest` for a
    file of which the whole batch would fail.
    """
    found = check_of(house, spec, file)
    report: dict[str, Any] = json.loads(found.report)
    if not report["is_batch"]:
        raise _refusal(report["errors"]["data"])
    end = Ends(house).of_new(spec.tenant, asked.standing, found.cost)
    cost = found.cost
    told = DryRunAnswer.model_construct(
        **report | {"object": "batch.dry_run"},
        num_pictures=cost.pictures,
        cost=CostAnswer(ar=cost.ar, dit=cost.dit, pixels=cost.pixels),
        eta_s=end.eta_s,
        expected_end=end.expected_end,
        finish_by=asked.finish_by,
        on_time=end.is_on_time,
    )
    return told.model_dump_json(warnings=False).encode()


def _refusal(errors: Sequence[Mapping[str, Any]]) -> InvalidRequest:
    """Returns the error of a file that is no batch: its first fault, and how many more there are."""
    first, num_more = errors[0], len(errors) - 1
    where = f"line {first['line']}: " if first["line"] else ""
    field = f"{first['param']}: " if first["param"] else ""
    more = f"; {num_more} more at POST /v1/batches/validate" if num_more else ""
    return InvalidRequest(f"{where}{field}{first['message']}{more}", "input_file_id")


def check_of(house: Services, spec: BatchSpec, file: StoredFile) -> Checked:
    """Checks the lines that the batch would have. Raises `BatchNotFound` and `BatchNotRetryable` for its `retry_of`."""
    key, states = _lines_of(house, spec, file)
    return checked(spec, key, states)


def end_of_new(house: Services, asked: BatchRequest, spec: BatchSpec, file: StoredFile) -> BatchEnd:
    """Returns the expected end of a batch that asks for a time; an empty one when its file can't be looked at now."""
    if asked.finish_by is None:
        return BatchEnd()
    try:
        return Ends(house).of_new(spec.tenant, asked.standing, check_of(house, spec, file).cost)
    except GridpressError as error:  # its end is no reason to refuse the batch
        log.warning("batch.end_unknown", error=str(error))
        return BatchEnd()


def _lines_of(house: Services, spec: BatchSpec, file: StoredFile) -> tuple[ObjectKey, list[LineState]]:
    if spec.retry_of is None:
        return file.key, []
    earlier = house.batches.batch(spec.retry_of, spec.tenant)
    states = house.batches.states(earlier.batch_id, 0, earlier.num_lines) if earlier.num_lines else []
    if not earlier.status.is_final or not any(state in _RETRIED for state in states):
        raise BatchNotRetryable(earlier.batch_id)
    return input_key(earlier.batch_id), states
