"""Sends one webhook request and returns the outcome.

Uses the egress client, which refuses addresses that are not allowed.
"""

import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from http import HTTPStatus

from shared.egress.client import EgressClient, EgressResponse
from shared.egress.deadline import Deadline
from shared.egress.errors import EgressFailed, EgressRefused
from shared.store.webhooks.deliveries import AttemptResult

_MAX_RESPONSE_BYTES = 2048
_MAX_ERROR_CHARS = 300
_MAX_DATE_CHARS = 64  # an HTTP date has 29 characters
_FIRST_PAUSE_S = 5.0  # pause for a receiver that reports that it is too busy and gives no `Retry-After`
_TOO_BUSY = (HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.BAD_GATEWAY, HTTPStatus.GATEWAY_TIMEOUT)


@dataclass(frozen=True, slots=True)
class Outcome:
    """The outcome of one webhook request.

    `retry_after_s` holds the seconds of the receiver's `Retry-After` header, without an upper limit. It is None when
    the response has no such header.
    """

    attempted: AttemptResult
    retry_after_s: float | None = None
    is_timeout: bool = False

    @property
    def is_delivered(self) -> bool:
        """Returns whether the receiver responded with a 2xx status."""
        return self.attempted.status is not None and self.attempted.status // 100 == 2

    @property
    def is_gone(self) -> bool:
        """Returns whether the receiver responded with status 410 (Gone)."""
        return self.attempted.status == HTTPStatus.GONE

    @property
    def spare_s(self) -> float:
        """Returns for how many seconds this receiver should get no message. It is 0 unless the receiver has reported
        that it is too busy.
        """
        is_busy = self.attempted.status in _TOO_BUSY or self.retry_after_s is not None
        return max(_FIRST_PAUSE_S, self.retry_after_s or 0.0) if is_busy else 0.0


class WebhookSender:
    """Sends webhook requests. Thread-safe."""

    def __init__(self, client: EgressClient) -> None:
        self._client = client

    def send(self, url: str, headers: Mapping[str, str], body: str, timeout_s: float) -> Outcome:
        """POSTs the body to a receiver and returns the outcome. Errors of the receiver or the network raise no
        exception.

        `timeout_s` covers the whole call, from the DNS look-up to the end of the response.
        """
        at, began_s = datetime.now(UTC), time.monotonic()

        def outcome(status: int | None, error: str, answer: bytes = b"", retry_after_s: float | None = None) -> Outcome:
            latency_s = time.monotonic() - began_s
            text = answer.decode("utf-8", "replace")
            return Outcome(AttemptResult(url, at, latency_s, status, error[:_MAX_ERROR_CHARS], text), retry_after_s)

        try:
            answer = self._post(url, headers, body, Deadline(timeout_s))
        except (EgressRefused, EgressFailed) as error:
            return replace(outcome(None, str(error)), is_timeout=isinstance(error.__cause__, TimeoutError))
        body_text = answer.body if answer.may_show_details else b""
        if answer.status // 100 == 2:
            return outcome(answer.status, "", body_text)
        return outcome(answer.status, f"receiver answered {answer.status}", body_text, _retry_after_s(answer, at))

    def _post(self, url: str, headers: Mapping[str, str], body: str, deadline: Deadline) -> EgressResponse:
        return self._client.post(url, headers, body.encode(), deadline, max_bytes=_MAX_RESPONSE_BYTES)


def _retry_after_s(answer: EgressResponse, now: datetime) -> float | None:
    """Returns the wait that the response's `Retry-After` header (RFC 9110) asks for, in seconds.

    The header holds seconds or a date. Returns None when the header is missing or holds anything else.
    """
    text = answer.headers.get("retry-after", "").strip()
    if text.isdecimal():
        return float(text[:9])
    try:
        moment = parsedate_to_datetime(text[:_MAX_DATE_CHARS])
        return max(0.0, (moment.replace(tzinfo=moment.tzinfo or UTC) - now).total_seconds())
    except (ValueError, OverflowError, TypeError, IndexError):  # not a date, or a date that does not exist
        return None
