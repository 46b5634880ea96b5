"""Makes messages due again: one, all that failed, a range. A message keeps its id, however often it is sent.

Whoever asks says that the receiver is well: it is not spared any longer for its failures.
"""

from datetime import UTC, datetime

from ulid import ULID

from shared.errors import EndpointNotFound, MessageNotFound
from shared.ids import TenantId
from shared.store.connect import Client
from shared.store.scripts import Scripts
from shared.webhooks.endpoints import EndpointId
from shared.webhooks.events import TEST_EVENT

_AT_ONCE = 200  # messages that one script moves: others wait for a script


class ResendStore:
    """Every method raises `StoreUnavailable`; what is another tenant's is not there."""

    def __init__(self, client: Client) -> None:
        self._scripts = Scripts(client)

    def resend(self, message_id: str, tenant: TenantId, endpoint_id: EndpointId | None = None) -> int:
        """To one endpoint, or wherever it was for; the number of deliveries. Raises `MessageNotFound`."""
        num = int(self._scripts.run("resend_message", message_id, tenant, endpoint_id or ""))
        if num < 0:
            raise MessageNotFound(f"no webhook message {message_id}")
        return num

    def recover(self, endpoint_id: EndpointId, tenant: TenantId, since: datetime, until: datetime | None) -> int:
        """Those that were given up in this time. Raises `EndpointNotFound`."""
        return self._all("recover_deliveries", endpoint_id, tenant, since, until)

    def replay(self, endpoint_id: EndpointId, tenant: TenantId, since: datetime, until: datetime | None) -> int:
        """All that happened in this time and that it listens to, delivered or not. Raises `EndpointNotFound`."""
        return self._all("replay_messages", endpoint_id, tenant, since, until)

    def test(self, endpoint_id: EndpointId, tenant: TenantId) -> str:
        """The id of a message that is for this endpoint alone. Raises `EndpointNotFound`."""
        message_id = f"evt_{ULID()}_webhook_endpoint_test".lower()
        if not self._scripts.run("test_endpoint", endpoint_id, tenant, message_id, TEST_EVENT):
            raise EndpointNotFound(f"no webhook endpoint {endpoint_id}")
        return message_id

    def _all(
        self, script: str, endpoint_id: EndpointId, tenant: TenantId, since: datetime, until: datetime | None
    ) -> int:
        to_ms = _ms(min(until or datetime.max.replace(tzinfo=UTC), datetime.now(UTC)))
        from_ms, total = _ms(since), 0
        while True:
            answer = self._scripts.run(script, endpoint_id, tenant, from_ms, to_ms, _AT_ONCE)
            if not answer:
                raise EndpointNotFound(f"no webhook endpoint {endpoint_id}")
            total, from_ms = total + int(answer[0]), int(answer[1])
            if from_ms >= to_ms:
                return total


def _ms(moment: datetime) -> int:
    return int(moment.timestamp() * 1000)
