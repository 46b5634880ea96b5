"""Routes of the webhook log, which lists messages and attempts, and routes that send messages again."""

from typing import Any

from flask import Blueprint, request

from api.edge import idempotency
from api.edge.authentication import caller
from api.responses.listing import readable_responses
from api.services import services
from api.webhooks.endpoints import asked_for, own_endpoint
from api.webhooks.response_schemas import AttemptPage, AttemptResponse, MessageResponse, NumSent, RangeSent
from api.webhooks.schemas import AttemptsQuery, RangeRequest, ResendRequest
from shared.errors import EndpointDisabled
from shared.hints.queues import Queue
from shared.ids import JobId
from shared.intake.fields import validated
from shared.store.webhooks.resends import Resent
from shared.webhooks.endpoints import EndpointId

webhook_log = Blueprint("webhook_log", __name__, url_prefix="/v1")

Json = dict[str, Any]
Accepted = tuple[Json, int]


@webhook_log.get("/webhook_endpoints/<endpoint_id>/attempts")
def attempts_of_endpoint(endpoint_id: str) -> Json:
    """Returns a page of the webhook attempts at an endpoint, newest first, with the receiver's responses."""
    return _attempts(own_endpoint(endpoint_id).endpoint_id)


@webhook_log.get("/jobs/<job_id>/webhook_attempts")
def attempts_of_job(job_id: str) -> Json:
    """Returns a page of the webhook attempts that report events of a job, newest first."""
    return _attempts(services().store.job(JobId(job_id), caller().tenant).job_id)


@webhook_log.get("/webhook_messages/<message_id>/attempts")
def attempts_of_message(message_id: str) -> Json:
    """Returns a page of the attempts to deliver a webhook message, newest first."""
    return _attempts(services().webhook_log.message(message_id, caller().tenant).message_id)


@webhook_log.get("/webhook_messages/<message_id>")
def message(message_id: str) -> Json:
    """Returns a webhook message and the status of each of its deliveries."""
    found = services().webhook_log.message(message_id, caller().tenant)
    return MessageResponse.of(found).model_dump(mode="json")


@webhook_log.post("/webhook_messages/<message_id>/resend")
def resend(message_id: str) -> Accepted:
    """Sends a webhook message again with the same `webhook-id`, to one endpoint or to all its receivers.

    Returns 202 with the number of deliveries.
    """
    asked = asked_for(ResendRequest, is_optional=True)
    if asked.endpoint_id:
        _enabled(asked.endpoint_id)
    num = services().resends.resend(message_id, caller().tenant, asked.endpoint_id)
    services().hints.send_one(Queue.DELIVERY)
    return NumSent(num_messages=num).model_dump(), 202


@webhook_log.post("/webhook_endpoints/<endpoint_id>/recover")
def recover(endpoint_id: str) -> Accepted:
    """Sends again the messages of a time range whose delivery to an endpoint was abandoned (failed and not tried
    again).

    Sends up to 5,000 at a time, and returns 202. If messages are left, pass `next` as `since` to continue.
    """
    asked = asked_for(RangeRequest)
    return _sent(services().resends.recover(_enabled(endpoint_id), caller().tenant, asked.since, asked.until))


@webhook_log.post("/webhook_endpoints/<endpoint_id>/replay")
def replay(endpoint_id: str) -> Accepted:
    """Sends all messages of a time range to an endpoint, even if they were delivered before, up to 5,000 at a time.

    Returns 202. If messages are left, pass `next` as `since` to continue.
    """
    asked = asked_for(RangeRequest)
    return _sent(services().resends.replay(_enabled(endpoint_id), caller().tenant, asked.since, asked.until))


@webhook_log.post("/webhook_endpoints/<endpoint_id>/test")
def test(endpoint_id: str) -> Accepted:
    """Sends a message of the type `webhook_endpoint.test` to an endpoint, and returns the message with status 202.

    Read the message later to see the status of its delivery.
    """
    deps, tenant = services(), caller().tenant
    message_id = deps.resends.test(_enabled(endpoint_id), tenant, idempotency.reserved_id())
    deps.hints.send_one(Queue.DELIVERY)
    return MessageResponse.of(deps.webhook_log.message(message_id, tenant)).model_dump(mode="json"), 202


def _enabled(endpoint_id: str) -> EndpointId:
    """Returns the id of a webhook endpoint if it is enabled. Raises `EndpointNotFound` and `EndpointDisabled`."""
    found = own_endpoint(endpoint_id)
    if not found.is_enabled:
        raise EndpointDisabled(f"{endpoint_id} is disabled: enable it first")
    return found.endpoint_id


def _sent(resent: Resent) -> Accepted:
    services().hints.send_one(Queue.DELIVERY)
    has_more = resent.next_since is not None
    return RangeSent(num_messages=resent.num, has_more=has_more, next=resent.next_since).model_dump(mode="json"), 202


def _attempts(of: str) -> Json:
    query = validated(AttemptsQuery, request.args.to_dict())
    found = services().webhook_log.attempts(of, limit=query.limit + 1, after=query.after)
    page, has_more = found[: query.limit], len(found) > query.limit
    return AttemptPage(
        data=readable_responses("attempt", ((each.attempt_id, each) for each in page), AttemptResponse.of),
        has_more=has_more,
        next=page[-1].attempt_id if has_more else None,
    ).model_dump(mode="json")
