"""Sends webhook messages again: one message, or the messages of a time range (all, or only the abandoned ones).

A message keeps its id. If its receiver is paused after failures, a resend ends the pause.
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
_AT_ONCE = 200  # messages for each script call, because other calls wait meanwhile
_MOST_SCRIPTS = 25  # script calls for each request; a longer time range is continued by further requests


@dataclass(frozen=True, slots=True)
class Resent:
    """The result of a resend: the number of deliveries that are due again.

    If the resend did not finish the time range, `next_since` is the start of the rest, for a further request. Otherwise
    `next_since` is None.
    """

    num: int
    next_since: datetime | None = None


class ResendStore:
    """Sends webhook messages again. Every method raises `StoreUnavailable`.

    A message or an endpoint of another tenant counts as not found.
    """

    def __init__(self, client: Client) -> None:
        self._scripts = Scripts(client)

    def resend(self, message_id: str, tenant: TenantId, endpoint_id: EndpointId | None = None) -> int:
        """Makes a webhook message due again for one endpoint, or for all receivers of the message. Returns the number
        of deliveries that are due again.

        Raises `MessageNotFound`.
        """
        num = int(self._scripts.run("resend_message", message_id, tenant, endpoint_id or ""))
        if num < 0:
            raise MessageNotFound(f"no webhook message {message_id}")
        return num

    def recover(self, endpoint_id: EndpointId, tenant: TenantId, since: datetime, until: datetime | None) -> Resent:
        """Makes messages due again whose delivery to an endpoint was abandoned from `since` to `until`. The delivery
        that was abandoned first comes first.

        A call handles up to 5,000 messages. Raises `EndpointNotFound`.
        """
        return self._all("recover_deliveries", endpoint_id, tenant, since, until)

    def replay(self, endpoint_id: EndpointId, tenant: TenantId, since: datetime, until: datetime | None) -> Resent:
        """Makes messages of a time range due again for an endpoint, whether they were delivered or not. Only messages
        of the types to which the endpoint subscribes are included.

        A call handles up to 5,000 messages, the earliest first. Raises `EndpointNotFound`.
        """
        return self._all("replay_messages", endpoint_id, tenant, since, until)

    def test(self, endpoint_id: EndpointId, tenant: TenantId, reserved: str | None = None) -> str:
        """Creates a test message for a webhook endpoint and returns the message's id.

        If `reserved` is given, the message's id is derived from this reserved id, so that a repeated call creates no
        second message. Raises `EndpointNotFound`.
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
    """Returns a time in ms. It computes with exact integers, so that a request for the rest of a time range starts
    exactly where the request before ended.
    """
    return (moment - _START) // _MS
