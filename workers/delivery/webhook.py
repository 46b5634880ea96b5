"""Sends one signed webhook. Follows no redirect and connects only to an address that was checked."""

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from http import HTTPStatus
from urllib.parse import urlsplit

import httpx
from standardwebhooks.webhooks import Webhook

from shared.errors import GridpressError
from shared.receivers import resolve_receiver


class NotDelivered(GridpressError):
    """The receiver did not answer 2xx. `is_gone`: it answered 410 and wants no more."""

    code = "webhook_not_delivered"
    retryable = True

    def __init__(self, message: str, *, is_gone: bool = False) -> None:
        super().__init__(message)
        self.is_gone = is_gone


def event_id(job_id: str, event_type: str) -> str:
    """Derived from job and type, so every attempt and every sender uses the same `webhook-id`."""
    return f"evt_{job_id.removeprefix('job_')}_{event_type.replace('.', '_')}"


def payload(event_type: str, happened_at: datetime, job: Mapping[str, object]) -> str:
    """The body that is signed: Standard Webhooks' `type`, `timestamp` and `data`."""
    moment = happened_at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    return json.dumps({"type": event_type, "timestamp": moment, "data": job}, ensure_ascii=False)


class WebhookSender:
    """One connection pool for all receivers."""

    def __init__(self, *, timeout_s: float, allow_loopback: bool) -> None:
        self._client = httpx.Client(timeout=timeout_s, follow_redirects=False, trust_env=False)
        self._allow_loopback = allow_loopback

    def send(self, url: str, secret: str, message_id: str, body: str) -> None:
        """POSTs the body, signed as of now. Raises `NotDelivered` for anything but a 2xx answer."""
        now = datetime.now(UTC)
        headers = {
            "content-type": "application/json",
            "user-agent": "Gridpress-Webhooks/1",
            "webhook-id": message_id,
            "webhook-timestamp": str(int(now.timestamp())),
            "webhook-signature": Webhook(secret).sign(message_id, now, body),
        }
        status = self._post(url, headers, body)
        if status // 100 != 2:
            raise NotDelivered(f"receiver answered {status}", is_gone=status == HTTPStatus.GONE)

    def _post(self, url: str, headers: Mapping[str, str], body: str) -> int:
        """Connects to the checked address itself, so a name that resolves elsewhere a moment later gains nothing."""
        parts = urlsplit(url)
        host = parts.hostname or ""
        try:
            port = parts.port or (443 if parts.scheme == "https" else 80)
            address = resolve_receiver(host, port, allow_loopback=self._allow_loopback)[0]
            target = httpx.URL(url).copy_with(host=str(address))
            request = self._client.build_request(
                "POST",
                target,
                headers={**headers, "host": parts.netloc.rpartition("@")[2]},
                content=body.encode(),
                extensions={"sni_hostname": host},
            )
            answer = self._client.send(request, stream=True)  # the body is nobody's business and may be endless
            answer.close()
        except (httpx.HTTPError, OSError, ValueError, GridpressError) as error:
            raise NotDelivered(f"{type(error).__name__}: {error}") from error
        return answer.status_code
