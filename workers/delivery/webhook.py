"""Signs one webhook and sends it. Where it may go is the egress rules' business."""

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from http import HTTPStatus

from standardwebhooks.webhooks import Webhook

from shared.egress.client import EgressClient
from shared.egress.deadline import Deadline
from shared.egress.errors import EgressFailed, EgressRefused
from shared.errors import GridpressError

_MAX_ANSWER_BYTES = 2048  # nobody looks at them, but a receiver that says "ok" is not hung up on in mid-word


class NotDelivered(GridpressError):
    """The receiver did not answer 2xx. `is_gone`: it answered 410 and wants no more."""

    code = "webhook_not_delivered"
    retryable = True

    def __init__(self, message: str, *, is_gone: bool = False) -> None:
        super().__init__(message)
        self.is_gone = is_gone


def event_id(job_id: str, event_type: str, revival: int = 0) -> str:
    """Derived from job, type and life, so every attempt and every sender uses the same `webhook-id`."""
    life = f"_{revival}" if revival else ""
    return f"evt_{job_id.removeprefix('job_')}_{event_type.replace('.', '_')}{life}"


def payload(event_type: str, happened_at: datetime, job: Mapping[str, object]) -> str:
    """The body that is signed: Standard Webhooks' `type`, `timestamp` and `data`."""
    moment = happened_at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    return json.dumps({"type": event_type, "timestamp": moment, "data": job}, ensure_ascii=False)


class WebhookSender:
    """Any number of threads may use one. `timeout_s` is for a whole attempt, from the look-up to the answer."""

    def __init__(self, client: EgressClient, timeout_s: float) -> None:
        self._client = client
        self._timeout_s = timeout_s

    def send(self, url: str, secret: str, message_id: str, body: str) -> None:
        """POSTs the body, signed as of now. Raises `NotDelivered` for anything but a 2xx answer."""
        now = datetime.now(UTC)
        headers = {
            "content-type": "application/json",
            "webhook-id": message_id,
            "webhook-timestamp": str(int(now.timestamp())),
            "webhook-signature": Webhook(secret).sign(message_id, now, body),
        }
        status = self._post(url, headers, body)
        if status // 100 != 2:
            raise NotDelivered(f"receiver answered {status}", is_gone=status == HTTPStatus.GONE)

    def _post(self, url: str, headers: Mapping[str, str], body: str) -> int:
        try:
            deadline = Deadline(self._timeout_s)
            return self._client.post(url, headers, body.encode(), deadline, max_bytes=_MAX_ANSWER_BYTES).status
        except (EgressRefused, EgressFailed) as error:
            raise NotDelivered(str(error)) from error
