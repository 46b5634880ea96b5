"""OpenAPI entries of the routes of jobs and their events."""

from api.jobs.bulk_cancel import CancelRequest
from api.jobs.schemas import ListQuery, RetryRequest
from api.openapi import examples
from api.openapi.fields import LAST_EVENT_ID, LOCATION, PREFER, PREFERENCE_APPLIED, RETRY_AFTER
from api.openapi.media import FILE, event_stream
from api.openapi.operation import Body, Json, Operation, Refusals, Response
from api.openapi.schemas import JobPage
from api.problems.errors import ForbiddenModel
from shared.errors import (
    ClientIdTaken,
    DeadlineOver,
    FileNotStored,
    ImageNotMade,
    ImageNotReady,
    InvalidImage,
    InvalidRequest,
    JobNotFinal,
    JobNotFound,
    JobNotRetryable,
    ObjectStoreUnavailable,
    PriorNotFound,
    QueueFull,
    StoreFull,
    TenantBeingErased,
)
from shared.intake.request import JobRequest
from shared.responses.cancellations import CancellationsResponse
from shared.responses.estimates import EstimateResponse, JobValidationResponse
from shared.responses.schemas import JobResponse

_JOB = {"succeeded": examples.job()}
_INTAKE: Refusals = (InvalidImage, PriorNotFound, ImageNotReady, ImageNotMade, FileNotStored)
_OVERLOAD: Refusals = (ForbiddenModel, TenantBeingErased, QueueFull, StoreFull, ObjectStoreUnavailable)

# The document describes forms with one JSON part and files. The route also accepts plain form fields.
_MULTIPART: Json = {
    "schema": {
        "type": "object",
        "properties": {
            "request": {"$ref": f"#/components/schemas/{JobRequest.__name__}"},
            "images": {"type": "array", "items": FILE},
        },
        "required": ["request"],
        "additionalProperties": False,
    },
    "encoding": {"request": {"contentType": "application/json"}, "images": {"contentType": "image/*"}},
}
_REQUEST = Body(JobRequest, media={"multipart/form-data": _MULTIPART}, examples=examples.REQUESTS)

_ENDED = Response(
    "the job, which ended within the time of `Prefer: wait`",
    JobResponse,
    fields=(LOCATION, PREFERENCE_APPLIED),
    examples=_JOB,
)
_GOES_ON = Response(
    "the job, which is accepted and stored on disk",
    JobResponse,
    fields=(LOCATION, RETRY_AFTER, PREFERENCE_APPLIED),
    examples=_JOB,
)
_AS_IT_STANDS = Response("the job", JobResponse, fields=(PREFERENCE_APPLIED,), examples=_JOB)
_ESTIMATE = {
    "n": 1,
    "pixels": 1_048_576,
    "cost": {"ar": 1281, "dit": 105_067_315},
    "position": 3,
    "start_s": 12.4,
    "eta_s": 31.0,
    "paused": None,
    "unserved": [],
}
_VALIDATIONS = {
    "valid": {"object": "job.validation", "is_valid": True, "errors": [], "estimate": _ESTIMATE, "warnings": []},
    "invalid": {
        "object": "job.validation",
        "is_valid": False,
        "errors": [
            {
                "code": "invalid_request",
                "field": "n",
                "message": "n must be a whole number that is at least 1, not 0",
                "retryable": False,
            },
            {
                "code": "queue_full",
                "field": None,
                "message": "20000 renders wait already, and the limit is 20000",
                "retryable": True,
            },
        ],
        "estimate": None,
        "warnings": [],
    },
}
_TO_CANCEL = {
    "ids": {"ids": ["job_01ke6q8v3c9t0n5w7x2z4b6d8f", "poster-7"]},
    "filter": {"status": ["queued"], "metadata": {"campaign": "spring"}},
}
_CANCELLATIONS = {
    "data": [
        {"id": "job_01ke6q8v3c9t0n5w7x2z4b6d8f", "outcome": "cancelled", "status": "cancelled"},
        {"id": "poster-7", "outcome": "not_found", "status": None},
    ],
    "has_more": False,
    "next": None,
}
# A job of one picture. `render.progress` comes about every two seconds while the picture is rendered, and has no id.
_STORY = (
    ("job.queued", '{"n": 1}'),
    ("render.stage", '{"index": 0, "state": "prior_running"}'),
    ("render.progress", '{"index": 0, "stage": "ar", "done": 640, "total": 1281}'),
    ("render.stage", '{"index": 0, "state": "prior_ready"}'),
    ("render.stage", '{"index": 0, "state": "decode_running"}'),
    ("render.progress", '{"index": 0, "stage": "dit", "done": 25, "total": 50}'),
    ("render.stage", '{"index": 0, "state": "succeeded"}'),
    ("job.succeeded", '{"status": "succeeded"}'),
)
_EVENTS = event_stream(
    "whole_job",
    "".join(
        (f"id: {1767605400000 + 900 * at}-0\n" if name != "render.progress" else "")
        + f"event: {name}\ndata: {data}\n\n"
        for at, (name, data) in enumerate(_STORY)
    ),
)

OPERATIONS = {
    "jobs.create": Operation(
        "createJob",
        "Jobs",
        "Create a job",
        {202: _GOES_ON, 201: _ENDED},
        (*_INTAKE, *_OVERLOAD),
        _REQUEST,
        fields=(PREFER,),
    ),
    "jobs.create_named": Operation(
        "putJob",
        "Jobs",
        "Create a job under an id of your own",
        {202: _GOES_ON, 201: _ENDED, 200: _AS_IT_STANDS},
        (ClientIdTaken, *_INTAKE, *_OVERLOAD),
        _REQUEST,
        fields=(PREFER,),
    ),
    "estimates.estimate": Operation(
        "estimateJob",
        "Jobs",
        "Estimate a job",
        {200: Response("the cost and the expected times", EstimateResponse, examples={"short_queue": _ESTIMATE})},
        (InvalidImage,),
        _REQUEST,
    ),
    "job_validation.validate": Operation(
        "validateJob",
        "Jobs",
        "Check a request for a job",
        {200: Response("all errors, or the cost and the expected times", JobValidationResponse, examples=_VALIDATIONS)},
        (ObjectStoreUnavailable,),
        _REQUEST,
    ),
    "jobs.index": Operation(
        "listJobs",
        "Jobs",
        "List jobs",
        {200: Response("a page of jobs", JobPage, examples={"one": examples.page()})},
        query=ListQuery,
    ),
    "jobs.read": Operation("getJob", "Jobs", "Read a job", {200: _AS_IT_STANDS}, (JobNotFound,), fields=(PREFER,)),
    "jobs.cancel": Operation(
        "cancelJob", "Jobs", "Cancel a job", {200: Response("the job", JobResponse, examples=_JOB)}, (JobNotFound,)
    ),
    "bulk_cancel.cancel_many": Operation(
        "cancelJobs",
        "Jobs",
        "Cancel many jobs",
        {
            200: Response(
                "what happened to each job",
                CancellationsResponse,
                examples={"one_of_two": _CANCELLATIONS},
            )
        },
        body=Body(CancelRequest, examples=_TO_CANCEL),
    ),
    "jobs.retry_job": Operation(
        "retryJob",
        "Jobs",
        "Retry a job",
        {202: _GOES_ON, 200: _AS_IT_STANDS},
        (JobNotFound, JobNotRetryable, DeadlineOver, ForbiddenModel, QueueFull, StoreFull),
        Body(RetryRequest, is_required=False, examples={"no_deadline": {"deadline": None}}),
        fields=(PREFER,),
    ),
    "jobs.delete": Operation(
        "deleteJob", "Jobs", "Delete a job", {204: Response("the job is deleted")}, (JobNotFound, JobNotFinal)
    ),
    "events.stream": Operation(
        "streamEvents",
        "Jobs",
        "Follow a job",
        {
            200: Response("Server-Sent Events until the job's end", media=_EVENTS),
            204: Response("the job has ended and no events are left"),
        },
        (InvalidRequest, JobNotFound),
        fields=(LAST_EVENT_ID,),
    ),
}
