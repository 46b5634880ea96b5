"""Schemas of responses about webhook endpoints, messages and attempts."""

from datetime import datetime
from typing import Literal, Self

from pydantic import BaseModel

from shared.jobs.response_schemas import Moment
from shared.store.webhooks.log import Attempt, DeliveryStatus, Message
from shared.webhooks.endpoints import DisabledReason, Endpoint
from shared.webhooks.events import DEFAULT_EVENTS, PayloadStyle


class EndpointAnswer(BaseModel):
    """A webhook endpoint. `header_names` lists the extra header fields of its webhooks, without their values.

    `disabled_reason` is `requested`, `gone` (its receiver answered 410) or `failing` (for 5 days). `failing_since` is
    null while its last attempt succeeded. Until `old_secret_ends_at` webhooks are also signed with the old secret.
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


class EndpointWithSecret(EndpointAnswer):
    """A new endpoint, or one whose secret was rotated."""

    secret: str


class EndpointPage(BaseModel):
    """A page of endpoints, the newest first. `next` is the `after` of the next page."""

    data: list[EndpointAnswer]
    has_more: bool
    next: str | None


class AttemptAnswer(BaseModel):
    """One call of a receiver. `status` is null without a response: then `error` says why.

    `answer` has the first bytes of the response as text. `endpoint_id` is null for a job's own URL.
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
    """A page of attempts, the newest first. `next` is the `after` of the next page."""

    data: list[AttemptAnswer]
    has_more: bool
    next: str | None


class DestinationAnswer(BaseModel):
    """The delivery of a message to one receiver: an endpoint, or the job's own URL (null)."""

    endpoint_id: str | None
    status: DeliveryStatus


class MessageAnswer(BaseModel):
    """A message and the state of all its deliveries. `id` is the `webhook-id` of each attempt."""

    id: str
    type: str
    job_id: str | None
    happened_at: Moment
    sequence: int
    destinations: list[DestinationAnswer]

    @classmethod
    def of(cls, message: Message) -> Self:
        return cls(
            id=message.message_id,
            type=message.event_type,
            job_id=message.job_id,
            happened_at=message.happened_at,
            sequence=message.sequence,
            destinations=[
                DestinationAnswer(endpoint_id=each.endpoint_id, status=each.status) for each in message.deliveries
            ],
        )


class NumSent(BaseModel):
    """The number of deliveries made due again."""

    num_messages: int


class RangeSent(NumSent):
    """The number of deliveries made due again from a time range.

    `has_more` is true when the range holds more than one request sends; then `next` is the next `since`.
    """

    has_more: bool
    next: Moment | None
