"""Twins of manifests and webhooks on their way, in memory.

They know no endpoints, no circuits, no classes of receivers and no turns of tenants: what is due goes out by age.
`tests/workers/delivery/test_outbox.py` has those.
"""

import hashlib
from datetime import UTC, datetime

from shared.ids import new_holder_id
from shared.store.webhooks.deliveries import AttemptResult, Delivery, ReceiverClass, Room
from shared.store.webhooks.manifests import ManifestClaim
from tests.shared.store.memory_state import DueRecord, Memory, MessageRecord


def num_due_deliveries(memory: Memory) -> int:
    """Manifests, and tenants for whose receivers something is due."""
    due = [m for m in memory.messages.values() if m.delivery and m.delivery.due_ms <= memory.now_ms]
    return len({m.job.spec.tenant for m in due}) + sum(
        record.due_ms <= memory.now_ms for record in memory.manifests.values()
    )


class MemoryManifests:
    """Twin of `ManifestStore`."""

    def __init__(self, memory: Memory, lease_ttl_s: float) -> None:
        self._memory = memory
        self._lease_ttl_ms = int(lease_ttl_s * 1000)

    def claim(self) -> ManifestClaim | None:
        due = sorted((record.due_ms, job_id) for job_id, record in self._memory.manifests.items())
        if not due or due[0][0] > self._memory.now_ms:
            return None
        job_id = due[0][1]
        record = self._memory.manifests[job_id]
        record.due_ms, record.attempts = self._memory.now_ms + self._lease_ttl_ms, record.attempts + 1
        record.holder = new_holder_id()
        return ManifestClaim(job_id, record.attempts, record.holder)

    def written(self, claim: ManifestClaim) -> bool:
        return self._finish(claim, None)

    def retry_later(self, claim: ManifestClaim, error: str, delay_s: float) -> bool:
        return self._finish(claim, self._memory.now_ms + int(delay_s * 1000))

    def abandon(self, claim: ManifestClaim, error: str) -> bool:
        return self._finish(claim, None)

    def _finish(self, claim: ManifestClaim, due_ms: int | None) -> bool:
        record = self._memory.manifests.get(claim.job_id)
        if record is None or record.holder != claim.holder:
            return False
        record.holder = None
        if due_ms is None:
            del self._memory.manifests[claim.job_id]
        else:
            record.due_ms = due_ms
        return True


class MemoryDeliveries:
    """Twin of `DeliveryStore`."""

    def __init__(self, memory: Memory, lease_ttl_s: float) -> None:
        self._memory = memory
        self._lease_ttl_ms = int(lease_ttl_s * 1000)

    def claim(self, room: Room) -> list[Delivery]:
        now_ms = self._memory.now_ms
        due = [(m.delivery.due_ms, name) for name, m in self._memory.messages.items() if m.delivery]
        return [self._lease(name) for due_ms, name in sorted(due) if due_ms <= now_ms][: room.total]

    def _lease(self, name: str) -> Delivery:
        message, now_ms, holder = self._memory.messages[name], self._memory.now_ms, new_holder_id()
        record = message.delivery
        assert record
        record.due_ms, record.attempts, record.holder = now_ms + self._lease_ttl_ms, record.attempts + 1, holder
        at = datetime.fromtimestamp(message.at_ms / 1000, UTC)
        job = message.job
        told = (message.event_type, job.job_id, at, message.sequence, "", ReceiverClass.NEW)
        return Delivery(name, _destination(message), record.attempts, job.spec.tenant, *told, now_ms, holder)

    def delivered(self, delivery: Delivery, attempted: AttemptResult) -> bool:
        return self._finish(delivery, None)

    def retry_later(self, delivery: Delivery, attempted: AttemptResult, delay_s: float, spare_s: float = 0) -> bool:
        return self._finish(delivery, self._memory.now_ms + int(delay_s * 1000))

    def abandon(self, delivery: Delivery, attempted: AttemptResult, *, is_gone: bool = False) -> bool:
        return self._finish(delivery, None)

    def drop(self, delivery: Delivery) -> bool:
        return self._finish(delivery, None)

    def _finish(self, delivery: Delivery, due_ms: int | None) -> bool:
        message = self._memory.messages.get(delivery.message_id)
        record = message.delivery if message else None
        if message is None or record is None or record.holder != delivery.holder:
            return False
        record.holder = None
        message.delivery = None if due_ms is None else DueRecord(due_ms, record.attempts)
        return True


def _destination(message: MessageRecord) -> str:
    spec = message.job.spec
    assert spec.webhook_url
    origin = "/".join(spec.webhook_url.split("/")[:3])
    return f"url_{hashlib.sha1(f'{spec.tenant}|{origin}'.encode(), usedforsecurity=False).hexdigest()}"
