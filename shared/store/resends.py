"""Makes messages due again: one, all that failed, a range. A message keeps its id, however often it is sent.

Whoever asks says that the receiver is well: it is not spared any longer for its failures.
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from shared.errors import EndpointNotFound, MessageNotFound
from shared.ids import TenantId, ulid_of
from shared.store.connect import Client
from shared.store.scripts import Scripts
from shared.webhooks.endpoints import EndpointId
from shared.webhooks.events import TEST_EVENT

_START, _MS = datetime(1970, 1, 1, tzinfo=UTC), timedelta(milliseconds=1)
_AT_ONCE = 200  # messages that one script moves: others wait for a script
_MOST_SCRIPTS = 25  # of one call: whoever asks for a year is told where to go on, and holds up nobody


@dataclass(frozen=True, slots=True)
class Resent:
    """How many deliveries are due again. `next_since`: from where to ask for the rest; None when that was all."""

    num: int
    next_since: datetime | None = None


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

    def recover(self, endpoint_id: EndpointId, tenant: TenantId, since: datetime, until: datetime | None) -> Resent:
        """Those that were given up in this time, the earliest first, up to 5,000. Raises `EndpointNotFound`."""
        return self._all("recover_deliveries", endpoint_id, tenant, since, until)

    def replay(self, endpoint_id: EndpointId, tenant: TenantId, since: datetime, until: datetime | None) -> Resent:
        """All that happened in this time and that it listens to, delivered or not, as `recover` does."""
        return self._all("replay_messages", endpoint_id, tenant, since, until)

    def test(self, endpoint_id: EndpointId, tenant: TenantId, reserved: str | None = None) -> str:
        """The id of a message that is for this endpoint alone, made of `reserved`, another id, if there is one.

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
    """Exact, so that the `next_since` of one call is where the next one begins."""
    return (moment - _START) // _MS
