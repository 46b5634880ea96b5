"""Performs the dry run of a batch, which creates nothing.

It reports invalid lines, the number of pictures, the cost and the expected end.
"""

import json
from collections.abc import Mapping, Sequence
from typing import Any

import structlog

from api.batches.expected_end import BatchEnd, Ends
from api.batches.response_schemas import CostResponse, DryRunResponse
from api.batches.schemas import BatchRequest
from api.batches.validation import Checked, checked
from api.bodies.documents import body_document
from api.services import Services
from shared.batches.batch import BatchSpec, LineState, input_key
from shared.errors import BatchNotRetryable, GridpressError, InvalidRequest
from shared.files import StoredFile
from shared.ids import ObjectKey
from shared.intake.text_values import with_values
from shared.wording.values import with_field

log = structlog.get_logger()

_RETRIED = (LineState.FAILED, LineState.EXPIRED, LineState.CANCELLED)


def is_dry_run() -> bool:
    """Returns whether the current request asks for the dry run of a batch. A dry run uses up no Idempotency-Key."""
    try:
        fields = body_document().value
    except GridpressError:
        return False  # the route raises the error
    return isinstance(fields, dict) and with_values(BatchRequest, fields).get("dry_run") is True


def dry_run(deps: Services, asked: BatchRequest, spec: BatchSpec, file: StoredFile) -> bytes:
    """Returns the report of a dry run (`DryRunResponse`) in JSON.

    Raises the errors of `checked`, and `InvalidRequest` if the whole batch would fail. Raises `BatchNotFound` and
    `BatchNotRetryable` for the batch that `retry_of` names.
    """
    found = check_of(deps, spec, file)
    report: dict[str, Any] = json.loads(found.report)
    if not report["is_batch"]:
        raise _refusal(report["errors"]["data"])
    end = Ends(deps).of_new(spec.tenant, asked.precedence, found.cost)
    cost = found.cost
    response = DryRunResponse.model_construct(
        **report | {"object": "batch.dry_run"},
        num_pictures=cost.pictures,
        cost=CostResponse(ar=cost.ar, dit=cost.dit, pixels=cost.pixels),
        eta_s=end.eta_s,
        expected_end=end.expected_end,
        finish_by=asked.finish_by,
        on_time=end.is_on_time,
    )
    return response.model_dump_json(warnings=False).encode()


def _refusal(errors: Sequence[Mapping[str, Any]]) -> InvalidRequest:
    """Returns the error for an input file that would make the whole batch fail.

    The message contains the first fault of the file and the number of further faults.
    """
    first, num_more = errors[0], len(errors) - 1
    where = f"line {first['line']}: " if first["line"] else ""
    what = with_field(first["param"], first["message"])
    more = f"; {num_more} more at POST /v1/batches/validate" if num_more else ""
    return InvalidRequest(f"{where}{what}{more}", "input_file_id")


def check_of(deps: Services, spec: BatchSpec, file: StoredFile) -> Checked:
    """Checks the lines that a new batch would have, and returns the report and the cost.

    Raises the errors of `checked`. If `retry_of` names a batch, also raises `BatchNotFound` and `BatchNotRetryable`.
    """
    key, states = _lines_of(deps, spec, file)
    return checked(spec, key, states)


def end_of_new(deps: Services, asked: BatchRequest, spec: BatchSpec, file: StoredFile) -> BatchEnd:
    """Returns the expected end of a new batch. The end is computed only for a batch with `finish_by`.

    For any other batch, the end is unknown. It is also unknown if the batch's file can't be checked now.
    """
    if asked.finish_by is None:
        return BatchEnd()
    try:
        return Ends(deps).of_new(spec.tenant, asked.precedence, check_of(deps, spec, file).cost)
    except GridpressError as error:  # a batch is accepted even if its end can't be estimated
        log.warning("batch.end_unknown", error=str(error))
        return BatchEnd()


def _lines_of(deps: Services, spec: BatchSpec, file: StoredFile) -> tuple[ObjectKey, list[LineState]]:
    if spec.retry_of is None:
        return file.key, []
    earlier = deps.batches.batch(spec.retry_of, spec.tenant)
    states = deps.batches.states(earlier.batch_id, 0, earlier.num_lines) if earlier.num_lines else []
    if not earlier.status.is_final or not any(state in _RETRIED for state in states):
        raise BatchNotRetryable(earlier.batch_id)
    return input_key(earlier.batch_id), states
