"""Leases due webhook deliveries to delivery workers, and records their attempts. Retries wait in the store, not in
memory.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

from shared.batches.batch import BatchId
from shared.ids import HolderId, JobId, TenantId, WorkerId, new_holder_id
from shared.jobs.job import Job
from shared.jobs.usage import ONE_WEBHOOK, Used, key_of
from shared.store.core.connect import Client
from shared.store.core.fault_counts import FaultCounts
from shared.store.core.record_lists import readable
from shared.store.core.scripts import Scripts
from shared.store.jobs.records import job_of_record
from shared.tracing.origin import Origin, log_ids
from shared.webhooks.endpoints import EndpointId

SOON_S = 1.0  # a receiver that answers within this time counts as fast


class ReceiverClass(StrEnum):
    """The class of a webhook receiver, by its last attempt.

    - `proven`: the last attempt succeeded within 1 s.
    - `new`: there was no attempt yet.
    - `slow`: the last attempt succeeded, but took longer than 1 s.
    - `failing`: the last attempt failed.
    """

    PROVEN = "proven"
    NEW = "new"
    SLOW = "slow"
    FAILING = "failing"


@dataclass(frozen=True, slots=True)
class Delivery:
    """A leased attempt to send one webhook message to one receiver. `attempt` counts from 1.

    `message_id` is sent as the header `webhook-id`; it is the same for every receiver and attempt. `destination` is an
    endpoint's id, or stands for the `webhook_url` of jobs and batches. `data` is the message as JSON, or '' when the
    message is about a job. `job` is None if the message is about no job, or if the job's record can't be read.
    """

    message_id: str
    destination: str
    attempt: int
    tenant: TenantId
    event_type: str
    job_id: JobId | None
    happened_at: datetime
    sequence: int
    data: str
    receiver_class: ReceiverClass
    claimed_ms: int
    holder: HolderId
    origin: Origin | None = field(default=None, compare=False)
    job: Job | None = field(default=None, compare=False, repr=False)

    @property
    def endpoint_id(self) -> EndpointId | None:
        """The id of the endpoint that gets the message, or None if the message goes to the `webhook_url` of a job or
        batch.
        """
        return EndpointId(self.destination) if self.destination.startswith("ep_") else None

    @property
    def batch_id(self) -> BatchId | None:
        """The id of the batch that the webhook message is about, or None if it is not about a batch."""
        subject = str(json.loads(self.data)["id"]) if self.data else ""
        return BatchId(subject) if subject.startswith("batch_") else None

    @property
    def log_ids(self) -> Mapping[str, str | int]:
        """The fields that identify this webhook delivery in log lines."""
        about: dict[str, str | int] = {"job_id": self.job_id} if self.job_id else {}
        if self.batch_id:
            about["batch_id"] = self.batch_id
        return log_ids(self.origin, **about, message_id=self.message_id)


@dataclass(frozen=True, slots=True)
class AttemptResult:
    """The outcome of one HTTP request to a webhook receiver, for the log. `status` is None if there was no response.
    `error` is '' if the response had a 2xx status.
    """

    url: str
    at: datetime
    latency_s: float
    status: int | None
    error: str
    answer: str


@dataclass(frozen=True, slots=True)
class DeliveryRules:
    """Settings of webhook deliveries.

    `concurrency` is the maximum number of attempts to one receiver at the same time. `log_s` is how long attempts stay
    in the log, in seconds.
    """

    lease_ttl_s: float
    concurrency: int
    log_s: float


@dataclass(frozen=True, slots=True)
class Room:
    """The number of webhook deliveries that a worker may lease now.

    `total` counts all deliveries. The other numbers limit a part of these: `unproven` those to receivers of the classes
    new, slow and failing together, `slow` those to slow and failing receivers together, and `failing` those to failing
    receivers.
    """

    total: int
    unproven: int
    slow: int
    failing: int


class DeliveryStore:
    """Leases webhook deliveries and records their outcomes.

    A method that ends an attempt returns False when the lease was lost meanwhile. The attempt is logged nonetheless.
    """

    def __init__(self, client: Client, rules: DeliveryRules, worker: WorkerId | None = None) -> None:
        """Creates a client of the store for one worker. `worker` is the id of the worker process.

        The holder id of every lease contains this id, so all leases of the process can be freed when it ends.
        """
        self._worker = worker
        self._scripts = Scripts(client)
        self._faults = FaultCounts(client)
        self._rules = rules

    def claim(self, room: Room) -> list[Delivery]:
        """Leases due webhook deliveries and returns them. Receivers whose last attempt succeeded quickly come first.
        Within each class of receivers, tenants take turns.
        """
        holder, rules = new_holder_id(self._worker), self._rules
        limits = (rules.concurrency, room.total, room.unproven, room.slow, room.failing)
        found = self._scripts.run("claim_deliveries", holder, int(rules.lease_ttl_s * 1000), *limits)
        return [delivery for row in found for delivery in self._read(row, holder)]

    def _read(self, row: Sequence[Any], holder: HolderId) -> list[Delivery]:
        """Returns a list with the one delivery that a row of the script's result describes.

        If the delivery can't be read, sets the delivery aside (takes it out of the queue) and returns an empty list.
        """
        message, destination = row[:2]
        found = readable(self._faults, "delivery", [(message, row)], lambda _, row: _delivery(row, holder))
        if not found:
            self._scripts.run("set_delivery_aside", message, destination)
        return found

    def delivered(self, delivery: Delivery, result: AttemptResult) -> bool:
        """Records a successful attempt of a webhook delivery. An attempt that took more than 1 s makes its receiver
        slow.
        """
        is_soon = result.latency_s <= SOON_S
        return self._finish(delivery, "delivered" if is_soon else "delivered_late", result)

    def retry_later(self, delivery: Delivery, result: AttemptResult, delay_s: float, spare_s: float = 0) -> bool:
        """Records a failed attempt of a webhook delivery. The delivery is due again after `delay_s`. For `spare_s`, its
        receiver gets no other message either.
        """
        return self._finish(delivery, "failed", result, delay_s, spare_s)

    def abandon(self, delivery: Delivery, result: AttemptResult, *, is_gone: bool = False) -> bool:
        """Records a failed attempt of a webhook delivery, which is not tried again.

        With `is_gone`, which means that the receiver answered 410, the receiver's endpoint is disabled.
        """
        return self._finish(delivery, "gone" if is_gone else "abandoned", result)

    def drop(self, delivery: Delivery) -> bool:
        """Ends a webhook delivery whose job, batch or endpoint no longer exists."""
        return self._finish(delivery, "dropped", None)

    def cut_short(self, delivery: Delivery, result: AttemptResult) -> bool:
        """Records an attempt of a webhook delivery that was ended by its short timeout. The delivery is due again with
        the full timeout, usually at once.

        The attempt does not count as an attempt of the retry schedule.
        """
        return self._finish(delivery, "cut_short", result)

    def hand_back(self, delivery: Delivery) -> bool:
        """Gives up a webhook delivery that was not sent or that this worker interrupted. It is due again at once, and
        the attempt does not count.
        """
        return self._finish(delivery, "returned", None)

    def _finish(
        self, delivery: Delivery, how: str, result: AttemptResult | None, delay_s: float = 0, spare_s: float = 0
    ) -> bool:
        ids = (delivery.message_id, delivery.destination, delivery.holder, how)
        times = (int(delay_s * 1000), int(spare_s * 1000), delivery.claimed_ms, int(self._rules.log_s * 1000))
        quality = delivery.job.spec.settings.quality if delivery.job else None
        used = Used(key_of(delivery.origin), quality, ONE_WEBHOOK).as_text()
        fields = _fields(delivery, result) if result else ()
        return bool(self._scripts.run("finish_delivery", *ids, *times, used, *fields))


def _delivery(row: Sequence[Any], holder: HolderId) -> Delivery:
    message, destination, attempt, tenant, event_type, job, at_ms, sequence, data, *rest = row
    receiver_class, now_ms, origin, record = rest
    delivery = Delivery(
        message_id=message,
        destination=destination,
        attempt=int(attempt),
        tenant=TenantId(tenant),
        event_type=event_type,
        job_id=JobId(job) if job else None,
        happened_at=datetime.fromtimestamp(int(at_ms) / 1000, UTC),
        sequence=int(sequence),
        data=data,
        receiver_class=ReceiverClass(receiver_class),
        claimed_ms=int(now_ms),
        holder=holder,
        origin=Origin.parse(origin),
        job=job_of_record(job, record),
    )
    _ = delivery.batch_id  # reads `data`, and raises an error if `data` is broken
    return delivery


def _fields(delivery: Delivery, result: AttemptResult) -> tuple[str | int, ...]:
    fields: dict[str, str | int] = {
        "url": result.url,
        "attempt": delivery.attempt,
        "at_ms": int(result.at.timestamp() * 1000),
        "latency_ms": round(result.latency_s * 1000),
        "status": result.status or "",
        "error": result.error,
        "answer": result.answer,
    }
    return tuple(text for pair in fields.items() for text in pair)
