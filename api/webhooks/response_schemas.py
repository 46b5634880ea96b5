"""Schemas of the responses about webhook messages and attempts."""

from typing import Self

from pydantic import BaseModel

from shared.responses.schemas import Moment
from shared.store.webhooks.log import Attempt, DeliveryStatus, Message


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
