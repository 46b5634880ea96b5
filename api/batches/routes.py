"""Routes of batches. Creating, reading, listing and cancelling are as in OpenAI's API.

Our additions are to validate, change, pause, resume, retry and delete.
"""

from typing import Any

import structlog
from flask import Blueprint, Response, request

from api.batches.dry_run import dry_run, end_of_new, is_dry_run
from api.batches.expected_end import BatchEnd, Ends
from api.batches.order import BatchChange
from api.batches.response import batch_response
from api.batches.schemas import BatchQuery, BatchRequest
from api.batches.validation import check_defaults, validation
from api.bodies.documents import body_document
from api.edge import idempotency, request_ids
from api.edge.authentication import caller
from api.responses.listing import readable_responses
from api.services import services
from shared.batches.batch import Batch, BatchId, BatchSpec, new_batch_id
from shared.errors import BatchNotFound, BatchNotRetryable, FileNotStored, InvalidRequest
from shared.files import Purpose, StoredFile
from shared.hints.queues import Queue
from shared.intake.fields import validated
from shared.responses.batches import BatchPage, BatchResponse
from shared.store.batches.batches import Action

log = structlog.get_logger()

batches = Blueprint("batches", __name__, url_prefix="/v1/batches")

Json = dict[str, Any]


@batches.post("")
@idempotency.exempt_if(is_dry_run)
def create() -> Json | Response:
    """Creates a batch and returns it. A worker then validates its lines.

    An invalid line fails alone, unless the batch is `strict`. With a dry run, no batch is created: the response has the
    invalid lines, the cost and the expected end that the batch would have.
    """
    deps, (asked, spec) = services(), _asked()
    deps.admission.check_service()
    file = _input_file(spec)
    try:
        if asked.dry_run:
            return Response(dry_run(deps, asked, spec, file), content_type="application/json")
        batch_id = new_batch_id(idempotency.reserved_id())
        batch = deps.batches.create(batch_id, spec, request_ids.origin(), asked.precedence)
    except (BatchNotFound, BatchNotRetryable) as error:
        raise InvalidRequest(str(error), "retry_of") from error
    log.info("batch.accepted", batch_id=batch.batch_id)
    deps.hints.send_one(Queue.BATCH)
    return _answer(batch, end_of_new(deps, asked, spec, file))


@batches.post("/validate")
def validate() -> Response:
    """Validates every line of an input file and returns a report. Creates no batch."""
    _, spec = _asked()
    if spec.retry_of:
        raise InvalidRequest("retry_of can't be used here: the lines of a retry were validated before", "retry_of")
    return Response(validation(spec, _input_file(spec)), content_type="application/json")


@batches.get("")
def index() -> Json:
    """Returns a page of the tenant's batches, newest first."""
    query = validated(BatchQuery, request.args.to_dict())
    found = services().batches.batches(caller().tenant, limit=query.limit + 1, after=query.after)
    ends = Ends(services())
    rows = ((batch.batch_id, batch) for batch in found[: query.limit])
    page = readable_responses("batch", rows, lambda batch: _batch_response(batch, ends.of(batch)))
    first, last = (page[0].id, page[-1].id) if page else (None, None)
    return BatchPage(data=page, has_more=len(found) > query.limit, first_id=first, last_id=last).model_dump(mode="json")


@batches.get("/<batch:batch_id>")
def read(batch_id: str) -> Json:
    """Returns one batch."""
    return _answer(own_batch(batch_id))


@batches.patch("/<batch:batch_id>")
def change(batch_id: str) -> Json:
    """Changes the priority or `finish_by` of a batch, which decide the order among the tenant's own batches.

    Lines that are already jobs but still wait move to the new position in this order as well.
    """
    asked, deps, batch = validated(BatchChange, _fields()), services(), own_batch(batch_id)
    batch = deps.batches.rank(batch, asked.precedence(batch.precedence))
    log.info("batch.ranked", batch_id=batch.batch_id, priority=batch.precedence.priority)
    deps.hints.send_one(Queue.BATCH)
    return _answer(batch)


@batches.post("/<batch_id>/cancel")
def cancel(batch_id: str) -> Json:
    """Cancels a batch: no further line becomes a job, and unfinished jobs are cancelled. Existing results stay."""
    return _changed(batch_id, "cancel")


@batches.post("/<batch_id>/pause")
def pause(batch_id: str) -> Json:
    """Pauses a batch: no further line becomes a job until the batch is resumed. Running jobs continue."""
    return _changed(batch_id, "pause")


@batches.post("/<batch_id>/resume")
def resume(batch_id: str) -> Json:
    """Resumes a paused batch, so that its lines become jobs again."""
    return _changed(batch_id, "resume")


@batches.post("/<batch_id>/retry")
def retry(batch_id: str) -> Json:
    """Retries the failed, expired and cancelled lines of a batch that has ended.

    The batch has its full completion window again, counted from now.
    """
    return _changed(batch_id, "retry")


@batches.delete("/<batch:batch_id>")
def delete(batch_id: str) -> tuple[str, int]:
    """Deletes a batch that has ended, with its files, and returns 204. Its jobs and pictures are deleted later."""
    services().batches.delete(BatchId(batch_id), caller().tenant)
    return "", 204


def own_batch(batch_id: str) -> Batch:
    """Returns a batch of the caller's tenant. Raises `BatchNotFound`."""
    return services().batches.batch(BatchId(batch_id), caller().tenant)


def _changed(batch_id: str, action: Action) -> Json:
    deps = services()
    batch = deps.batches.change(own_batch(batch_id), action, request_ids.origin())
    log.info("batch.changed", batch_id=batch.batch_id, action=action)
    deps.hints.send_one(Queue.BATCH)
    return _answer(batch)


def _asked() -> tuple[BatchRequest, BatchSpec]:
    asked = validated(BatchRequest, _fields())
    asked.check(services().settings, services().rules)
    key = caller().key
    spec = asked.spec(caller().tenant, key.rights.models if key else ())
    check_defaults(spec)
    return asked, spec


def _fields() -> dict[str, Any]:
    fields = body_document().value
    if not isinstance(fields, dict):
        raise InvalidRequest("the request must be a JSON object")
    return fields


def _input_file(spec: BatchSpec) -> StoredFile:
    try:
        file = services().files.file(spec.input_file_id, spec.tenant)
    except FileNotStored as error:
        raise InvalidRequest(str(error), "input_file_id") from error
    if file.purpose is not Purpose.BATCH:
        raise InvalidRequest(f"{file.file_id} has the purpose {file.purpose}, not batch", "input_file_id")
    return file


def _answer(batch: Batch, end: BatchEnd | None = None) -> Json:
    return _batch_response(batch, end or Ends(services()).of(batch)).model_dump(mode="json")


def _batch_response(batch: Batch, end: BatchEnd) -> BatchResponse:
    return batch_response(batch, services().settings.served_model_name, end)
