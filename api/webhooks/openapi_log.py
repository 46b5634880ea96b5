"""OpenAPI entries of the webhook log, and of the routes that send webhook messages again."""

from api.openapi.operation import Body, Operation, Response
from api.webhooks.response_schemas import AttemptPage, MessageResponse, NumSent, RangeSent
from api.webhooks.schemas import AttemptsQuery, RangeRequest, ResendRequest
from shared.errors import EndpointDisabled, EndpointNotFound, JobNotFound, MessageNotFound

_TAG = "Webhooks"
_JOB, _ENDPOINT = "job_01ke6q8v3c9t0n5w7x2z4b6d8f", "ep_01ke6q8v3c9t0n5w7x2z4b6d8f"
_MESSAGE = {
    "id": "evt_01ke6q8v3c9t0n5w7x2z4b6d8f_job_succeeded",
    "type": "job.succeeded",
    "job_id": _JOB,
    "happened_at": "2026-01-05T09:30:24.000Z",
    "sequence": 4711,
    "destinations": [{"endpoint_id": _ENDPOINT, "status": "delivered"}],
}
_ATTEMPT = {
    "id": "1767605424210-0",
    "message_id": _MESSAGE["id"],
    "type": _MESSAGE["type"],
    "job_id": _JOB,
    "endpoint_id": _ENDPOINT,
    "url": "https://shop.example.com/hooks/gridpress",
    "attempt": 1,
    "at": "2026-01-05T09:30:24.210Z",
    "latency_ms": 84,
    "succeeded": True,
    "status": 204,
    "error": None,
    "answer": "",
}

_PAGE = Response(
    "a page of webhook attempts", AttemptPage, examples={"one": {"data": [_ATTEMPT], "has_more": False, "next": None}}
)
_SENT = Response("the deliveries are queued", NumSent, examples={"three": {"num_messages": 3}})
_RANGE_SENT = Response(
    "the deliveries are queued",
    RangeSent,
    examples={
        "all": {"num_messages": 3, "has_more": False, "next": None},
        "a_part": {"num_messages": 5000, "has_more": True, "next": "2026-01-05T09:41:07.113Z"},
    },
)
_RANGE = Body(RangeRequest, examples={"a_morning": {"since": "2026-01-05T08:00:00Z", "until": "2026-01-05T12:00:00Z"}})

OPERATIONS = {
    "webhook_log.attempts_of_endpoint": Operation(
        "listEndpointAttempts",
        _TAG,
        "List webhook attempts at an endpoint",
        {200: _PAGE},
        (EndpointNotFound,),
        query=AttemptsQuery,
    ),
    "webhook_log.attempts_of_job": Operation(
        "listJobAttempts", _TAG, "List webhook attempts of a job", {200: _PAGE}, (JobNotFound,), query=AttemptsQuery
    ),
    "webhook_log.attempts_of_message": Operation(
        "listMessageAttempts",
        _TAG,
        "List webhook attempts of a message",
        {200: _PAGE},
        (MessageNotFound,),
        query=AttemptsQuery,
    ),
    "webhook_log.message": Operation(
        "getMessage",
        _TAG,
        "Read a message",
        {200: Response("the message and its deliveries", MessageResponse, examples={"succeeded": _MESSAGE})},
        (MessageNotFound,),
    ),
    "webhook_log.resend": Operation(
        "resendMessage",
        _TAG,
        "Send a message again",
        {202: _SENT},
        (MessageNotFound, EndpointNotFound, EndpointDisabled),
        Body(ResendRequest, is_required=False, examples={"to_one": {"endpoint_id": _ENDPOINT}}),
    ),
    "webhook_log.recover": Operation(
        "recoverEndpoint",
        _TAG,
        "Send abandoned messages again",
        {202: _RANGE_SENT},
        (EndpointNotFound, EndpointDisabled),
        _RANGE,
    ),
    "webhook_log.replay": Operation(
        "replayEndpoint",
        _TAG,
        "Send all messages of a time range again",
        {202: _RANGE_SENT},
        (EndpointNotFound, EndpointDisabled),
        _RANGE,
    ),
    "webhook_log.test": Operation(
        "testEndpoint",
        _TAG,
        "Send a test message to an endpoint",
        {
            202: Response(
                "the message, whose delivery is queued",
                MessageResponse,
                examples={
                    "test": {
                        **_MESSAGE,
                        "id": "evt_01ke6q8v3c9t0n5w7x2z4b6d8g_webhook_endpoint_test",
                        "type": "webhook_endpoint.test",
                        "job_id": None,
                        "destinations": [{"endpoint_id": _ENDPOINT, "status": "pending"}],
                    }
                },
            )
        },
        (EndpointNotFound, EndpointDisabled),
    ),
}
