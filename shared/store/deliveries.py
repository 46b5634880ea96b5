"""Webhooks on their way: what is to be sent to whom and when, and what came of it. Retries wait here, not in memory."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum

from shared.ids import HolderId, JobId, TenantId, WorkerId, new_holder_id
from shared.store.connect import Client
from shared.store.scripts import Scripts
from shared.webhooks.endpoints import EndpointId

SOON_S = 1.0  # in which a receiver that is well answers


class Standing(StrEnum):
    """What a receiver is known for: its last attempt succeeded, there was none, it succeeded late, or it failed."""

    PROVEN = "proven"
    NEW = "new"
    SLOW = "slow"
    FAILING = "failing"


@dataclass(frozen=True, slots=True)
class Delivery:
    """A leased attempt, numbered from 1, to tell one receiver of one event.

    `message_id` is the `webhook-id`: the same for every receiver and attempt. `destination` is an endpoint's id, or
    stands for the job's own URL. `data` is what the message tells, as JSON; '' where that is its job.
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

    @property
    def endpoint_id(self) -> EndpointId | None:
        """None for the job's own URL."""
        return EndpointId(self.destination) if self.destination.startswith("ep_") else None


@dataclass(frozen=True, slots=True)
class Attempted:
    """One call of a receiver, for the log. `status` is None when it gave no answer, `error` '' when it answered 2xx."""

    url: str
    at: datetime
    latency_s: float
    status: int | None
    error: str
    answer: str


@dataclass(frozen=True, slots=True)
class DeliveryRules:
    """`concurrency`: attempts under way to one receiver at most; `log_s`: for how long attempts are kept."""

    lease_ttl_s: float
    concurrency: int
    log_s: float


@dataclass(frozen=True, slots=True)
class Room:
    """How many deliveries may be leased; of those, how many to receivers not proven, to slow or failing, to failing."""

    total: int
    unproven: int
    slow: int
    failing: int


class DeliveryStore:
    """Every way to finish answers False when the lease was lost meanwhile; the log keeps the attempt all the same."""

    def __init__(self, client: Client, rules: DeliveryRules, worker: WorkerId | None = None) -> None:
        """`worker`: whoever sees it end may free its leases."""
        self._worker = worker
        self._scripts = Scripts(client)
        self._rules = rules

    def claim(self, room: Room) -> list[Delivery]:
        """Leases what is due: to receivers that answer soon first, and to tenants by turns."""
        holder, rules = new_holder_id(self._worker), self._rules
        limits = (rules.concurrency, room.total, room.unproven, room.slow, room.failing)
        found = self._scripts.run("claim_deliveries", holder, int(rules.lease_ttl_s * 1000), *limits)
        return [_delivery(row, holder) for row in found]

    def delivered(self, delivery: Delivery, attempted: Attempted) -> bool:
        """Done for good; the receiver is known as soon or slow by how long it took."""
        is_soon = attempted.latency_s <= SOON_S
        return self._finish(delivery, "delivered" if is_soon else "delivered_late", attempted)

    def retry_later(self, delivery: Delivery, attempted: Attempted, delay_s: float, spare_s: float = 0) -> bool:
        """Due again after `delay_s`; for `spare_s` nothing is sent to this receiver at all."""
        return self._finish(delivery, "failed", attempted, delay_s, spare_s)

    def abandon(self, delivery: Delivery, attempted: Attempted, *, is_gone: bool = False) -> bool:
        """Given up. `is_gone`: the receiver wants no more; an endpoint is disabled."""
        return self._finish(delivery, "gone" if is_gone else "abandoned", attempted)

    def drop(self, delivery: Delivery) -> bool:
        """There is nothing to tell any more, or nobody to tell it to."""
        return self._finish(delivery, "dropped", None)

    def cut_short(self, delivery: Delivery, attempted: Attempted) -> bool:
        """It had no more than a moment: due again at once with all its time, and no attempt of its schedule."""
        return self._finish(delivery, "cut_short", attempted)

    def hand_back(self, delivery: Delivery) -> bool:
        """Untried or broken off by us: due again at once, and no attempt of its schedule."""
        return self._finish(delivery, "returned", None)

    def _finish(
        self, delivery: Delivery, how: str, attempted: Attempted | None, delay_s: float = 0, spare_s: float = 0
    ) -> bool:
        ids = (delivery.message_id, delivery.destination, delivery.holder, how)
        times = (int(delay_s * 1000), int(spare_s * 1000), delivery.claimed_ms, int(self._rules.log_s * 1000))
        fields = _fields(delivery, attempted) if attempted else ()
        return bool(self._scripts.run("finish_delivery", *ids, *times, *fields))


def _delivery(row: Sequence[str], holder: HolderId) -> Delivery:
    message, destination, attempt, tenant, event_type, job, at_ms, sequence, data, standing, now_ms = row
    return Delivery(
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
    )


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
