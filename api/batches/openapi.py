"""OpenAPI entries of the batch routes."""

from api.batches.order import BatchChange
from api.batches.response_schemas import ArchiveLink, CreateResponse, ValidationResponse
from api.batches.schemas import ArchiveQuery, BatchQuery, BatchRequest, ResultsQuery
from api.openapi.fields import DISPOSITION
from api.openapi.media import BYTES, TEXT, event_stream
from api.openapi.operation import Body, Field, Json, Model, Operation, Response
from api.openapi.stored_objects import REFUSALS, responses_with
from api.problems.errors import ForbiddenModel
from shared.errors import (
    BatchEnded,
    BatchNotFinal,
    BatchNotFound,
    BatchNotRetryable,
    ImageNotFound,
    ObjectNotFound,
    ObjectStoreUnavailable,
    QueueFull,
    StoreFull,
    TenantBeingErased,
)
from shared.responses.batches import BatchPage, BatchResponse, ResultPage

_BATCH: Json = {
    "id": "batch_01ke6q8v3c9t0n5w7x2z4b6d8f",
    "object": "batch",
    "endpoint": "/v1/images/generations",
    "model": "zai-org/GLM-Image",
    "input_file_id": "file-01ke6q8v3c9t0n5w7x2z4b6d8f",
    "completion_window": "24h",
    "status": "in_progress",
    "errors": None,
    "output_file_id": None,
    "error_file_id": None,
    "created_at": 1_767_605_400,
    "in_progress_at": 1_767_605_403,
    "expires_at": 1_767_691_800,
    "finalizing_at": None,
    "completed_at": None,
    "failed_at": None,
    "expired_at": None,
    "cancelling_at": None,
    "cancelled_at": None,
    "request_counts": {"total": 50_000, "completed": 1_200, "failed": 3},
    "metadata": {"catalogue": "spring"},
    "paused": False,
    "waiting_for": None,
    "eta_s": 48_797.0,
    "expected_end": "2026-01-05T23:03:20.000Z",
    "on_time": True,
    "num_released": 72,
    "strict": False,
    "priority": "batch",
    "finish_by": "2026-01-06T06:00:00.000Z",
    "defaults": {"size": "1024x1024", "seed": 7},
    "deadline": None,
    "delete_after_s": None,
    "retry_of": None,
    "output_prefix": "catalogue/spring",
    "output_folder": "outputs/acme/catalogue/spring/batch_01ke6q8v3c9t0n5w7x2z4b6d8f/",
    "webhook_url": None,
    "webhook_events": [],
    "webhook_payload": None,
}
_RESULT = {
    "id": "batch_req_01ke6q8v3c9t0n5w7x2z4b6d8f",
    "custom_id": "mug-17",
    "line": 17,
    "job_id": None,
    "response": None,
    "error": {"code": "batch_cancelled", "message": "the batch was cancelled before this line was begun"},
}
_REPORT = {
    "object": "batch.validation",
    "is_batch": True,
    "total": 2,
    "valid": 1,
    "invalid": 1,
    "errors": {
        "object": "list",
        "data": [
            {
                "code": "invalid_request",
                "message": "width must be a multiple of 32, not 1000",
                "param": "size",
                "line": 2,
                "custom_id": "mug-2",
            }
        ],
    },
    "has_more": False,
    "warnings": [],
}
_ASKED = {
    "input_file_id": _BATCH["input_file_id"],
    "endpoint": "/v1/images/generations",
    "completion_window": "24h",
    "metadata": {"catalogue": "spring"},
    "defaults": {"size": "1024x1024", "seed": 7},
    "output_prefix": "catalogue/spring",
}
_PAGE = {"object": "list", "data": [_BATCH], "has_more": False, "first_id": _BATCH["id"], "last_id": _BATCH["id"]}
_EVENTS = event_stream("progress", 'id: 8f3c2a90d1e45b67\nevent: batch.progress\ndata: {"id": "batch_..."}\n\n')
_LAST_STATE = Field(
    "Last-Event-ID", "the id of the last event that you received. The stream begins with the first change after it"
)
_LINES: Json = {"application/jsonl": TEXT}
_ARCHIVES: Json = {"application/x-tar": BYTES, "application/zip": BYTES}
_ARCHIVE_LINK = {
    "url": f"http://127.0.0.1:8000/v1/batches/{_BATCH['id']}/archives/1767605400-{'0f' * 32}.zip",
    "expires_at": 1_767_605_400,
}

_DRY_RUN: Json = {
    **_REPORT,
    "object": "batch.dry_run",
    "num_pictures": 1,
    "cost": {"ar": 1281, "dit": 104_857_600, "pixels": 1_048_576},
    "eta_s": 12.4,
    "expected_end": "2026-01-05T09:30:12.400Z",
    "finish_by": None,
    "on_time": None,
}

_CREATED = Response(
    "the batch, or the report of a dry run", CreateResponse, examples={"running": _BATCH, "dry run": _DRY_RUN}
)
_ANSWER = Response("the batch", BatchResponse, examples={"running": _BATCH})
_BODY = Body(BatchRequest, examples={"catalogue": _ASKED})


def _change(name: str, summary: str, refusal: type[BatchEnded | BatchNotRetryable]) -> Operation:
    return Operation(name, "Batches", summary, {200: _ANSWER}, (BatchNotFound, refusal))


def _stream(name: str, summary: str, media: Json, query: Model | None = None) -> Operation:
    answer = Response("a file with the results so far", media=media, fields=(DISPOSITION,))
    return Operation(name, "Batches", summary, {200: answer}, (BatchNotFound, ObjectStoreUnavailable), query=query)


OPERATIONS = {
    "batches.create": Operation(
        "createBatch",
        "Batches",
        "Render the lines of a file",
        {200: _CREATED},
        (TenantBeingErased, StoreFull, QueueFull, ForbiddenModel),
        _BODY,
    ),
    "batches.validate": Operation(
        "validateBatch",
        "Batches",
        "Check the lines of a file",
        {200: Response("the report", ValidationResponse, examples={"one bad line": _REPORT})},
        (ObjectStoreUnavailable, ObjectNotFound, ForbiddenModel),
        _BODY,
    ),
    "batches.index": Operation(
        "listBatches",
        "Batches",
        "List batches",
        {200: Response("a page of batches", BatchPage, examples={"one": _PAGE})},
        query=BatchQuery,
    ),
    "batches.read": Operation("getBatch", "Batches", "Read a batch", {200: _ANSWER}, (BatchNotFound,)),
    "batches.change": Operation(
        "changeBatch",
        "Batches",
        "Change the priority of a batch among your own batches",
        {200: _ANSWER},
        (BatchNotFound, BatchEnded),
        Body(BatchChange, examples={"high": {"priority": "high", "finish_by": "2026-01-06T06:00:00Z"}}),
    ),
    "batches.cancel": _change("cancelBatch", "Cancel a batch", BatchEnded),
    "batches.pause": _change("pauseBatch", "Pause a batch", BatchEnded),
    "batches.resume": _change("resumeBatch", "Resume a paused batch", BatchEnded),
    "batches.retry": _change("retryBatch", "Retry the failed lines of a batch", BatchNotRetryable),
    "batches.delete": Operation(
        "deleteBatch",
        "Batches",
        "Delete a batch and its pictures",
        {204: Response("the batch is deleted")},
        (BatchNotFound, BatchNotFinal),
    ),
    "batch_events.stream": Operation(
        "streamBatchEvents",
        "Batches",
        "Follow a batch",
        {
            200: Response("Server-Sent Events until the batch's end", media=_EVENTS),
            204: Response("the batch has ended, and you have its last state"),
        },
        (BatchNotFound,),
        fields=(_LAST_STATE,),
    ),
    "batch_results.index": Operation(
        "listBatchResults",
        "Batches",
        "List the results so far",
        {
            200: Response(
                "a page of results",
                ResultPage,
                examples={"one": {"object": "list", "data": [_RESULT], "has_more": False, "last_id": "0-1"}},
            )
        },
        (BatchNotFound, ObjectStoreUnavailable),
        query=ResultsQuery,
    ),
    "batch_results.output": _stream("getBatchOutput", "Download the results of succeeded lines", _LINES),
    "batch_results.manifest": _stream("getBatchManifest", "Download the descriptions of all pictures", _LINES),
    "batch_results.archive": _stream(
        "downloadBatch",
        "Download all pictures",
        _ARCHIVES,
        query=ArchiveQuery,
    ),
    "batch_links.link": Operation(
        "linkBatchArchive",
        "Batches",
        "Get a link to the archive of all pictures that needs no API key",
        {200: Response("the link", ArchiveLink, examples={"zip": _ARCHIVE_LINK})},
        (BatchNotFound,),
        query=ArchiveQuery,
    ),
    "batch_links.archive": Operation(
        "downloadBatchByLink",
        "Batches",
        "Download all pictures by a link",
        {200: Response("an archive of the pictures so far", media=_ARCHIVES, fields=(DISPOSITION,))},
        (BatchNotFound, ObjectStoreUnavailable),
    ),
    "batch_results.copy": Operation(
        "getBatchOutputPicture",
        "Batches",
        "Download a picture by its name, if the batch has an `output_prefix`",
        responses_with("the picture", ("image/png", "image/webp", "image/jpeg")),
        (BatchNotFound, ImageNotFound, *REFUSALS),
    ),
    "batch_results.picture": Operation(
        "getBatchPicture",
        "Batches",
        "Download a picture",
        responses_with("the picture", ("image/png", "image/webp", "image/jpeg")),
        (BatchNotFound, ImageNotFound, *REFUSALS),
    ),
}
