"""Makes webhook messages due again: one, all that failed, or all of a time range. A message keeps its id.

A request to resend ends the pause after failures of that receiver.
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from shared.errors import EndpointNotFound, MessageNotFound
from shared.ids import TenantId, ulid_of
from shared.store.core.connect import Client
from shared.store.core.scripts import Scripts
from shared.webhooks.endpoints import EndpointId
from shared.webhooks.events import TEST_EVENT

_START, _MS = datetime(1970, 1, 1, tzinfo=UTC), timedelta(milliseconds=1)
_AT_ONCE = 200  # messages that one script moves: others wait for a script
_MOST_SCRIPTS = 25  # of one call: whoever asks for a year is told where to go on, and holds up nobody


@dataclass(frozen=True, slots=True)
class Resent:
    """The number of deliveries made due again. `next_since` is where the next call continues; None: nothing is left."""

    num: int
    next_since: datetime | None = None


class ResendStore:
    """Every method raises `StoreUnavailable`. Another tenant's messages and endpoints count as not found."""

    def __init__(self, client: Client) -> None:
        self._scripts = Scripts(client)

    def resend(self, message_id: str, tenant: TenantId, endpoint_id: EndpointId | None = None) -> int:
        """Sends a message again to one endpoint, or to all its receivers; returns the number of deliveries.

        Raises `MessageNotFound`.
        """
        num = int(self._scripts.run("resend_message", message_id, tenant, endpoint_id or ""))
        if num < 0:
            raise MessageNotFound(f"no webhook message {message_id}")
        return num

    def recover(self, endpoint_id: EndpointId, tenant: TenantId, since: datetime, until: datetime | None) -> Resent:
        """Makes up to 5,000 abandoned messages of a time range due again, earliest first. Raises `EndpointNotFound`."""
        return self._all("recover_deliveries", endpoint_id, tenant, since, until)

    def replay(self, endpoint_id: EndpointId, tenant: TenantId, since: datetime, until: datetime | None) -> Resent:
        """Makes all messages of a time range due again to an endpoint, delivered or not, as far as it subscribes to
        them.

        The limit, the order and the errors are those of `recover`.
        """
        return self._all("replay_messages", endpoint_id, tenant, since, until)

    def test(self, endpoint_id: EndpointId, tenant: TenantId, reserved: str | None = None) -> str:
        """Creates a test message for this endpoint and returns its id.

        With `reserved` (a reserved id) the message's id derives from it, so a repeated call makes no second message.
        Raises `EndpointNotFound`.
        """
        message_id = f"evt_{ulid_of(reserved)}_webhook_endpoint_test"
        if not self._scripts.run("test_endpoint", endpoint_id, tenant, message_id, TEST_EVENT):
            raise EndpointNotFound(f"no webhook endpoint {endpoint_id}")
        return message_id

    def _all(
        self, script: str, endpoint_id: EndpointId, tenant: TenantId, since: datetime, until: datetime | None
    ) -> Resent:
        to_ms = _ms(min(until or datetime.max.replace(tzinfo=UTC), datetime.now(UTC)))
        from_ms, total = _ms(since), 0
        for _ in range(_MOST_SCRIPTS):
            answer = self._scripts.run(script, endpoint_id, tenant, from_ms, to_ms, _AT_ONCE)
            if not answer:
                raise EndpointNotFound(f"no webhook endpoint {endpoint_id}")
            total, from_ms = total + int(answer[0]), int(answer[1])
            if from_ms >= to_ms:
                return Resent(total)
        return Resent(total, _START + from_ms * _MS)


def _ms(moment: datetime) -> int:
    """Returns the time in ms, by exact integer arithmetic, so that `next_since` continues exactly where a
    call ended.
    """
    return (moment - _START) // _MS
