"""The outbox of finished jobs: what must be delivered, when, by whom. Retries wait in the store, not in memory."""

from dataclasses import dataclass

from shared.ids import HolderId, JobId, new_holder_id
from shared.store.connect import Client
from shared.store.scripts import Scripts


@dataclass(frozen=True, slots=True)
class Delivery:
    """A leased delivery: `kind` is `manifest` or `webhook`, `event_type` is '' for a manifest.

    `revival` counts the lives that the job had before the one that it tells the end of.
    """

    delivery_id: str
    kind: str
    job_id: JobId
    event_type: str
    attempt: int
    holder: HolderId
    revival: int = 0


class DeliveryStore:
    """Deliveries are leased like renders: one that is not finished in time is due again."""

    def __init__(self, client: Client, lease_ttl_s: float) -> None:
        self._scripts = Scripts(client)
        self._lease_ttl_ms = int(lease_ttl_s * 1000)

    def claim(self) -> Delivery | None:
        """Leases one delivery that is due, or finds nothing."""
        holder = new_holder_id()
        answer = self._scripts.run("claim_delivery", holder, self._lease_ttl_ms)
        if not answer:
            return None
        return delivery_of(answer[0], int(answer[1]), holder)

    def delivered(self, delivery: Delivery) -> bool:
        """Done for good. Returns False when the lease was lost meanwhile."""
        return self._finish(delivery, "delivered", "", 0)

    def retry_later(self, delivery: Delivery, error: str, delay_s: float) -> bool:
        """Due again after `delay_s`. Returns False when the lease was lost meanwhile."""
        return self._finish(delivery, "pending", error, delay_s)

    def abandon(self, delivery: Delivery, error: str) -> bool:
        """Given up. Returns False when the lease was lost meanwhile."""
        return self._finish(delivery, "abandoned", error, 0)

    def _finish(self, delivery: Delivery, status: str, error: str, delay_s: float) -> bool:
        args = (delivery.delivery_id, delivery.holder, status, error[:500], int(delay_s * 1000))
        return bool(self._scripts.run("finish_delivery", *args))


def delivery_of(delivery_id: str, attempt: int, holder: HolderId) -> Delivery:
    """Its id says all else: `manifest:<job>`, `webhook:<job>:<type>` or `webhook:<job>:<type>:<revival>`."""
    kind, job_id, event_type, revival = (*delivery_id.split(":"), "", "")[:4]
    return Delivery(delivery_id, kind, JobId(job_id), event_type, attempt, holder, int(revival or 0))
