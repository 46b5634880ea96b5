"""Leases webhook deliveries that are due and records their attempts. Retries wait in the store, not in memory."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum

from shared.batches.batch import BatchId
from shared.ids import HolderId, JobId, TenantId, WorkerId, new_holder_id
from shared.store.core.connect import Client
from shared.store.core.fault_counts import FaultCounts
from shared.store.core.record_lists import readable
from shared.store.core.scripts import Scripts
from shared.tracing.origin import Origin, log_ids
from shared.webhooks.endpoints import EndpointId

SOON_S = 1.0  # in which a receiver that is well answers


class Standing(StrEnum):
    """The class of a receiver by its last attempt: succeeded soon, no attempt yet, succeeded late, or failed."""

    PROVEN = "proven"
    NEW = "new"
    SLOW = "slow"
    FAILING = "failing"


@dataclass(frozen=True, slots=True)
class Delivery:
    """A leased attempt, numbered from 1, to send one message to one receiver.

    `message_id` is the `webhook-id`: the same for every receiver and attempt. `destination` is an endpoint's id, or
    stands for the job's own URL. `data` is the message as JSON; '' when the message is about a job.
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
    standing: Standing
    claimed_ms: int
    holder: HolderId
    origin: Origin | None = field(default=None, compare=False)

    @property
    def endpoint_id(self) -> EndpointId | None:
        """The endpoint's id; None for the job's own URL."""
        return EndpointId(self.destination) if self.destination.startswith("ep_") else None

    @property
    def batch_id(self) -> BatchId | None:
        """The batch that the message is about; None for any other message."""
        subject = str(json.loads(self.data)["id"]) if self.data else ""
        return BatchId(subject) if subject.startswith("batch_") else None

    @property
    def log_ids(self) -> Mapping[str, str | int]:
        """The fields by which log lines about this delivery are found."""
        about: dict[str, str | int] = {"job_id": self.job_id} if self.job_id else {}
        if self.batch_id:
            about["batch_id"] = self.batch_id
        return log_ids(self.origin, **about, message_id=self.message_id)


@dataclass(frozen=True, slots=True)
class Attempted:
    """One call of a receiver, for the log. `status` is None without a response; `error` is '' for a 2xx status."""

    url: str
    at: datetime
    latency_s: float
    status: int | None
    error: str
    answer: str


@dataclass(frozen=True, slots=True)
class DeliveryRules:
    """Settings of deliveries. `concurrency` limits the attempts under way to one receiver; `log_s` is how long attempts
    are kept.
    """

    lease_ttl_s: float
    concurrency: int
    log_s: float


@dataclass(frozen=True, slots=True)
class Room:
    """The number of deliveries that may be leased now.

    `total` counts all. Of these, `unproven` may go to receivers that are not proven, `slow` to slow or failing ones,
    and `failing` to failing ones.
    """

    total: int
    unproven: int
    slow: int
    failing: int


class DeliveryStore:
    """Deliveries in the store.

    A method that finishes one returns False when its lease was lost meanwhile; the attempt is logged all the same.
    """

    def __init__(self, client: Client, rules: DeliveryRules, worker: WorkerId | None = None) -> None:
        """`worker` is put into the leases, so that they can be freed when that worker's process ends."""
        self._worker = worker
        self._scripts = Scripts(client)
        self._faults = FaultCounts(client)
        self._rules = rules

    def claim(self, room: Room) -> list[Delivery]:
        """Leases what is due and returns it. Fast receivers come first, and tenants take turns."""
        holder, rules = new_holder_id(self._worker), self._rules
        limits = (rules.concurrency, room.total, room.unproven, room.slow, room.failing)
        found = self._scripts.run("claim_deliveries", holder, int(rules.lease_ttl_s * 1000), *limits)
        return [delivery for row in found for delivery in self._read(row, holder)]

    def _read(self, row: Sequence[str], holder: HolderId) -> list[Delivery]:
        """Returns the delivery of a row. One that can't be read is put aside, and none is returned."""
        message, destination = row[:2]
        found = readable(self._faults, "delivery", [(message, row)], lambda _, row: _delivery(row, holder))
        if not found:
            self._scripts.run("set_delivery_aside", message, destination)
        return found

    def delivered(self, delivery: Delivery, attempted: Attempted) -> bool:
        """Records a success. The receiver counts as fast or slow by the attempt's latency."""
        is_soon = attempted.latency_s <= SOON_S
        return self._finish(delivery, "delivered" if is_soon else "delivered_late", attempted)

    def retry_later(self, delivery: Delivery, attempted: Attempted, delay_s: float, spare_s: float = 0) -> bool:
        """Makes the delivery due again after `delay_s`. Nothing else is sent to this receiver for `spare_s`."""
        return self._finish(delivery, "failed", attempted, delay_s, spare_s)

    def abandon(self, delivery: Delivery, attempted: Attempted, *, is_gone: bool = False) -> bool:
        """Gives the delivery up. With `is_gone` (the receiver answered 410) an endpoint is disabled."""
        return self._finish(delivery, "gone" if is_gone else "abandoned", attempted)

    def drop(self, delivery: Delivery) -> bool:
        """Ends a delivery whose job, batch or endpoint no longer exists."""
        return self._finish(delivery, "dropped", None)

    def cut_short(self, delivery: Delivery, attempted: Attempted) -> bool:
        """Records an attempt that had only a short time-out. It is due again at once with its full time-out.

        Does not count as an attempt of the retry schedule.
        """
        return self._finish(delivery, "cut_short", attempted)

    def hand_back(self, delivery: Delivery) -> bool:
        """Returns a delivery that was not sent or that we interrupted. It is due again at once, and no attempt is
        counted.
        """
        return self._finish(delivery, "returned", None)

    def _finish(
        self, delivery: Delivery, how: str, attempted: Attempted | None, delay_s: float = 0, spare_s: float = 0
    ) -> bool:
        ids = (delivery.message_id, delivery.destination, delivery.holder, how)
        times = (int(delay_s * 1000), int(spare_s * 1000), delivery.claimed_ms, int(self._rules.log_s * 1000))
        fields = _fields(delivery, attempted) if attempted else ()
        return bool(self._scripts.run("finish_delivery", *ids, *times, *fields))


def _delivery(row: Sequence[str], holder: HolderId) -> Delivery:
    message, destination, attempt, tenant, event_type, job, at_ms, sequence, data, standing, now_ms, origin = row
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
        standing=Standing(standing),
        claimed_ms=int(now_ms),
        holder=holder,
        origin=Origin.parse(origin),
    )
    _ = delivery.batch_id  # which is read from `data`
    return delivery


def _fields(delivery: Delivery, attempted: Attempted) -> tuple[str | int, ...]:
    fields: dict[str, str | int] = {
        "url": attempted.url,
        "attempt": delivery.attempt,
        "at_ms": int(attempted.at.timestamp() * 1000),
        "latency_ms": round(attempted.latency_s * 1000),
        "status": attempted.status or "",
        "error": attempted.error,
        "answer": attempted.answer,
    }
    return tuple(text for pair in fields.items() for text in pair)
