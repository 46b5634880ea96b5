"""Reads webhook messages, their deliveries, and the log of attempts. It sends no messages."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import cast

from shared.errors import MessageNotFound
from shared.ids import JobId, TenantId
from shared.store.core.connect import Client, translated
from shared.store.core.event_ids import order
from shared.store.core.fault_counts import FaultCounts
from shared.store.core.record_lists import filled_page, readable
from shared.webhooks.endpoints import EndpointId

Entry = tuple[str, Mapping[str, str]]  # id and fields of an entry of a log

_MOST_OF_JOB = 1000


class DeliveryStatus(StrEnum):
    """The state of the delivery of one webhook message to one receiver."""

    PENDING = "pending"
    DELIVERED = "delivered"
    ABANDONED = "abandoned"


@dataclass(frozen=True, slots=True)
class MessageDelivery:
    """The delivery of a webhook message to one receiver. `endpoint_id` is None for the `webhook_url` of a
    job or batch.
    """

    endpoint_id: EndpointId | None
    status: DeliveryStatus


@dataclass(frozen=True, slots=True)
class Message:
    """One webhook message, which reports one event. `job_id` is None when the event is not about a job."""

    message_id: str
    event_type: str
    job_id: JobId | None
    happened_at: datetime
    sequence: int
    deliveries: tuple[MessageDelivery, ...]


@dataclass(frozen=True, slots=True)
class Attempt:
    """One HTTP request to a webhook receiver. `error` is None if the response had a 2xx status. `status` is None if
    there was no response.
    """

    attempt_id: str
    message_id: str
    event_type: str
    job_id: JobId | None
    endpoint_id: EndpointId | None
    url: str
    number: int
    at: datetime
    latency_ms: int
    status: int | None
    error: str | None
    answer: str


class WebhookLog:
    """Reads webhook messages and attempts. Every method raises `StoreUnavailable` when the store does not answer."""

    def __init__(self, client: Client) -> None:
        self._client = client

    def message(self, message_id: str, tenant: TenantId) -> Message:
        """Returns a webhook message. Raises `MessageNotFound` for an unknown id and for a message of another tenant."""
        with translated():
            found = cast("Mapping[str, str]", self._client.hgetall(f"gridpress:message:{message_id}"))
        rows = [(message_id, found)] if found.get("tenant") == tenant else []
        for message in readable(FaultCounts(self._client), "message", rows, _message, is_strict=True):
            return message
        raise MessageNotFound(f"no webhook message {message_id}")

    def attempts(self, of: str, *, limit: int, after: str | None = None) -> list[Attempt]:
        """Returns a page of webhook attempts, newest first. `of` is the id of an endpoint, a job or a message.

        `after` is the last id of the previous page. The caller has to check that `of` belongs to its tenant.
        """

        entries: dict[str, Mapping[str, str]] = {}

        def ids_after(last: str | None, count: int) -> list[str]:
            found = self._entries(of, last, count)
            entries.update(found)
            return [entry_id for entry_id, _ in found]

        def read(ids: Sequence[str]) -> list[Attempt]:
            return readable(FaultCounts(self._client), "attempt", [(each, entries[each]) for each in ids], _attempt)

        return filled_page(limit, after, ids_after, read)

    def _entries(self, of: str, last: str | None, count: int) -> list[Entry]:
        """Returns `count` entries of the log of an endpoint, a job or a message after the id `last`, newest first."""
        job = self._job_of(of) if of.startswith("evt_") else of
        if not job or job.startswith("ep_"):
            return self._range(of, last, count)
        wanted = [entry for entry in self._of_job(job) if of == job or entry[1].get("message") == of]
        return [entry for entry in wanted if not last or order(entry[0]) < order(last)][:count]

    def _of_job(self, job: str) -> list[Entry]:
        """Returns the log of a job: at most a thousand entries, and usually one."""
        with translated():
            found = cast("list[str]", self._client.lrange(f"gridpress:job_attempts:{job}", 0, -1))
        entries = readable(FaultCounts(self._client), "attempt", ((job, text) for text in found), _entry)
        return [*entries, *self._range(job, None, _MOST_OF_JOB)]  # the second part is of version 1 of the state

    def _job_of(self, message_id: str) -> str | None:
        """Returns the job that a message is about. Attempts are stored once, in the log of the job."""
        with translated():
            return cast("str | None", self._client.hget(f"gridpress:message:{message_id}", "job"))

    def _range(self, of: str, last: str | None, count: int) -> list[Entry]:
        if last and not last.strip("0-"):
            return []  # no entry is older than 0-0, and the store refuses an interval that ends before 0-0
        with translated():
            found = self._client.xrevrange(f"gridpress:attempts:{of}", f"({last}" if last else "+", "-", count=count)
        return cast("list[Entry]", found)


def _entry(_: str, text: str) -> Entry:
    fields = cast("Mapping[str, str]", json.loads(text))
    return fields["id"], fields


def _message(message_id: str, fields: Mapping[str, str]) -> Message:
    deliveries = (
        MessageDelivery(_endpoint(name.removeprefix("to:")), DeliveryStatus(status))
        for name, status in sorted(fields.items())
        if name.startswith("to:")
    )
    return Message(
        message_id,
        fields["type"],
        JobId(fields["job"]) if fields.get("job") else None,
        _time(fields["at_ms"]),
        int(fields["sequence"]),
        tuple(deliveries),
    )


def _attempt(attempt_id: str, fields: Mapping[str, str]) -> Attempt:
    return Attempt(
        attempt_id,
        fields["message"],
        fields["type"],
        JobId(fields["job"]) if fields["job"] else None,
        _endpoint(fields["destination"]),
        fields["url"],
        int(fields["attempt"]),
        _time(fields["at_ms"]),
        int(fields["latency_ms"]),
        int(fields["status"]) if fields["status"] else None,
        fields["error"] or None,
        fields["answer"],
    )


def _endpoint(destination: str) -> EndpointId | None:
    return EndpointId(destination) if destination.startswith("ep_") else None


def _time(milliseconds: str) -> datetime:
    return datetime.fromtimestamp(int(milliseconds) / 1000, UTC)
