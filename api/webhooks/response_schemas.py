"""Schemas of the responses about webhook endpoints, messages and attempts."""

from datetime import datetime
from typing import Literal, Self

from pydantic import BaseModel

from shared.responses.schemas import Moment
from shared.store.webhooks.log import Attempt, DeliveryStatus, Message
from shared.webhooks.endpoints import DisabledReason, Endpoint
from shared.webhooks.events import DEFAULT_EVENTS, PayloadStyle


class EndpointResponse(BaseModel):
    """A webhook endpoint.

    `header_names` lists the additional header fields of its webhooks, without their values. `disabled_reason` is
    `requested`, `gone` (the receiver responded with 410) or `failing` (all attempts failed for 5 days).
    `failing_since` is null if the last attempt succeeded. Until `old_secret_ends_at`, webhooks are also signed with
    the old secret.
    """

    id: str
    object: Literal["webhook_endpoint"] = "webhook_endpoint"
    url: str
    description: str
    events: list[str]
    payload: PayloadStyle
    header_names: list[str]
    status: Literal["enabled", "disabled"]
    disabled_reason: DisabledReason | None
    disabled_at: Moment | None
    failing_since: Moment | None
    old_secret_ends_at: Moment | None
    created_at: Moment
    updated_at: Moment

    @classmethod
    def of(cls, endpoint: Endpoint, now: datetime) -> Self:
        return cls(
            id=endpoint.endpoint_id,
            url=endpoint.url,
            description=endpoint.description,
            events=list(endpoint.events or DEFAULT_EVENTS),
            payload=endpoint.payload,
            header_names=sorted(endpoint.headers),
            status="enabled" if endpoint.is_enabled else "disabled",
            disabled_reason=endpoint.disabled_reason,
            disabled_at=endpoint.disabled_at,
            failing_since=endpoint.failing_since,
            old_secret_ends_at=max((old.ends_at for old in endpoint.old_secrets if old.ends_at > now), default=None),
            created_at=endpoint.created_at,
            updated_at=endpoint.updated_at,
        )


class EndpointWithSecret(EndpointResponse):
    """A webhook endpoint with its signing secret, as returned after its creation and after a rotation of the secret."""

    secret: str


class EndpointPage(BaseModel):
    """A page of webhook endpoints, newest first. Pass `next` as `after` to get the next page."""

    data: list[EndpointResponse]
    has_more: bool
    next: str | None


class AttemptResponse(BaseModel):
    """A webhook attempt: one HTTP request to a receiver.

    `status` is the receiver's HTTP status, or null without a response; `error` then has the reason. `answer` has the
    first bytes of the response as text. `endpoint_id` is null if the URL is the `webhook_url` of a job.
    """

    id: str
    message_id: str
    type: str
    job_id: str | None
    endpoint_id: str | None
    url: str
    attempt: int
    at: Moment
    latency_ms: int
    succeeded: bool
    status: int | None
    error: str | None
    answer: str

    @classmethod
    def of(cls, attempt: Attempt) -> Self:
        return cls(
            id=attempt.attempt_id,
            message_id=attempt.message_id,
            type=attempt.event_type,
            job_id=attempt.job_id,
            endpoint_id=attempt.endpoint_id,
            url=attempt.url,
            attempt=attempt.number,
            at=attempt.at,
            latency_ms=attempt.latency_ms,
            succeeded=attempt.error is None,
            status=attempt.status,
            error=attempt.error,
            answer=attempt.answer,
        )


class AttemptPage(BaseModel):
    """A page of webhook attempts, newest first. Pass `next` as `after` to get the next page."""

    data: list[AttemptResponse]
    has_more: bool
    next: str | None


class DestinationResponse(BaseModel):
    """The delivery of a webhook message to one receiver.

    `endpoint_id` is null if the receiver is the `webhook_url` of a job.
    """

    endpoint_id: str | None
    status: DeliveryStatus


class MessageResponse(BaseModel):
    """A webhook message and the status of each of its deliveries.

    Every attempt sends `id` in the header field `webhook-id`.
    """

    id: str
    type: str
    job_id: str | None
    happened_at: Moment
    sequence: int
    destinations: list[DestinationResponse]

    @classmethod
    def of(cls, message: Message) -> Self:
        return cls(
            id=message.message_id,
            type=message.event_type,
            job_id=message.job_id,
            happened_at=message.happened_at,
            sequence=message.sequence,
            destinations=[
                DestinationResponse(endpoint_id=each.endpoint_id, status=each.status) for each in message.deliveries
            ],
        )


class NumSent(BaseModel):
    """The number of webhook deliveries that a request has put into the queue again."""

    num_messages: int


class RangeSent(NumSent):
    """The number of webhook deliveries that a request for a time range has put into the queue again.

    `has_more` is true if the range has more messages than one request sends. To continue, pass `next` as `since`.
    """

    has_more: bool
    next: Moment | None
