"""The routes of batches: create, read, list and cancel as at OpenAI; validate, change, pause, resume, retry and delete
as ours.
"""

from typing import Any

import structlog
from flask import Blueprint, Response, request

from api.batches.dry_run import dry_run, end_of_new, is_dry_run
from api.batches.expected_end import BatchEnd, Ends
from api.batches.order import BatchChange
from api.batches.response_schemas import BatchAnswer, BatchPage
from api.batches.schemas import BatchQuery, BatchRequest
from api.batches.validation import check_defaults, validation
from api.edge import idempotency, request_ids
from api.edge.callers import caller
from api.jobs.body import body_document
from api.responses.listing import told_each
from api.services import services
from shared.batches.batch import Batch, BatchId, BatchSpec, new_batch_id
from shared.errors import BatchNotFound, BatchNotRetryable, FileNotStored, InvalidRequest
from shared.files import Purpose, StoredFile
from shared.hints.queues import Queue
from shared.intake.fields import validated
from shared.store.batches.batches import Action

log = structlog.get_logger()

batches = Blueprint("batches", __name__, url_prefix="/v1/batches")

Answer = dict[str, Any]


@batches.post("")
@idempotency.not_for(is_dry_run)
def create() -> Answer | Response:
    """Creates a batch and returns it; a worker validates its lines next. An invalid line fails alone, unless it is
    `strict`. A dry run makes nothing and says what the batch would come to.
    """
    house, (asked, spec) = services(), _asked()
    house.capacity.check()
    file = _input_file(spec)
    try:
        if asked.dry_run:
            return Response(dry_run(house, asked, spec, file), content_type="application/json")
        batch_id = new_batch_id(idempotency.reserved_id())
        batch = house.batches.create(batch_id, spec, request_ids.origin(), asked.standing)
    except (BatchNotFound, BatchNotRetryable) as error:
        raise InvalidRequest(str(error), "retry_of") from error
    log.info("batch.accepted", batch_id=batch.batch_id)
    house.hints.send_one(Queue.BATCH)
    return _answer(batch, end_of_new(house, asked, spec, file))


@batches.post("/validate")
def validate() -> Response:
    """Validates every line of a file without making a batch of it."""
    _, spec = _asked()
    if spec.retry_of:
        raise InvalidRequest("the lines of a retry were looked at before", "retry_of")
    return Response(validation(spec, _input_file(spec)), content_type="application/json")


@batches.get("")
def index() -> Answer:
    """Returns a page of batches. It reads one more than asked for, to know whether there is another page."""
    query = validated(BatchQuery, request.args.to_dict())
    found = services().batches.batches(caller().tenant, limit=query.limit + 1, after=query.after)
    ends = Ends(services())
    rows = ((batch.batch_id, batch) for batch in found[: query.limit])
    page = told_each("batch", rows, lambda batch: _told(batch, ends.of(batch)))
    first, last = (page[0].id, page[-1].id) if page else (None, None)
    return BatchPage(data=page, has_more=len(found) > query.limit, first_id=first, last_id=last).model_dump(mode="json")


@batches.get("/<batch:batch_id>")
def read(batch_id: str) -> Answer:
    """Returns one batch."""
    return _answer(own_batch(batch_id))


@batches.patch("/<batch:batch_id>")
def change(batch_id: str) -> Answer:
    """Changes the place of a batch among the tenant's own. Its released lines that still wait move with it."""
    asked, house, batch = validated(BatchChange, _fields()), services(), own_batch(batch_id)
    batch = house.batches.rank(batch, asked.standing(batch.standing))
    log.info("batch.ranked", batch_id=batch.batch_id, priority=batch.standing.priority)
    house.hints.send_one(Queue.BATCH)
    return _answer(batch)


@batches.post("/<batch_id>/cancel")
def cancel(batch_id: str) -> Answer:
    """Cancels the batch: no further line becomes a job, and unfinished jobs are cancelled. Results so far stay."""
    return _changed(batch_id, "cancel")


@batches.post("/<batch_id>/pause")
def pause(batch_id: str) -> Answer:
    """Pauses the batch: no further line becomes a job until it is resumed; jobs go on."""
    return _changed(batch_id, "pause")


@batches.post("/<batch_id>/resume")
def resume(batch_id: str) -> Answer:
    """Resumes a paused batch."""
    return _changed(batch_id, "resume")


@batches.post("/<batch_id>/retry")
def retry(batch_id: str) -> Answer:
    """Retries the failed, expired and cancelled lines of a batch that has ended. Its completion window starts again."""
    return _changed(batch_id, "retry")


@batches.delete("/<batch:batch_id>")
def delete(batch_id: str) -> tuple[str, int]:
    """Deletes a batch that has ended, with its files (204). Its jobs and pictures are deleted later."""
    services().batches.delete(BatchId(batch_id), caller().tenant)
    return "", 204


def own_batch(batch_id: str) -> Batch:
    """Returns a batch of the caller's tenant. Raises `BatchNotFound`."""
    return services().batches.batch(BatchId(batch_id), caller().tenant)


def _changed(batch_id: str, action: Action) -> Answer:
    house = services()
    batch = house.batches.change(own_batch(batch_id), action, request_ids.origin())
    log.info("batch.changed", batch_id=batch.batch_id, action=action)
    house.hints.send_one(Queue.BATCH)
    return _answer(batch)


def _asked() -> tuple[BatchRequest, BatchSpec]:
    asked = validated(BatchRequest, _fields())
    asked.check(services().settings, services().rules)
    spec = asked.spec(caller().tenant)
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
        raise InvalidRequest(f"{file.file_id} is of the purpose {file.purpose}, not batch", "input_file_id")
    return file


def _answer(batch: Batch, end: BatchEnd | None = None) -> Answer:
    return _told(batch, end or Ends(services()).of(batch)).model_dump(mode="json")


def _told(batch: Batch, end: BatchEnd) -> BatchAnswer:
    return BatchAnswer.of(batch, services().settings.served_model_name, end)
