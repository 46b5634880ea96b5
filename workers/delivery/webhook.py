"""Calls a receiver once and returns the outcome. The egress rules check its address; the message is signed before."""

import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from http import HTTPStatus

from shared.egress.client import Answer, EgressClient
from shared.egress.deadline import Deadline
from shared.egress.errors import EgressFailed, EgressRefused
from shared.store.webhooks.deliveries import Attempted

_MAX_ANSWER_BYTES = 2048
_MAX_ERROR_CHARS = 300
_MAX_DATE_CHARS = 64  # an HTTP date has 29
_FIRST_PAUSE_S = 5.0  # of a receiver that says it is too busy, but not for how long
_TOO_BUSY = (HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.BAD_GATEWAY, HTTPStatus.GATEWAY_TIMEOUT)


@dataclass(frozen=True, slots=True)
class Outcome:
    """The outcome of one call. `retry_after_s` is the receiver's `Retry-After`, unchecked; None without one."""

    attempted: Attempted
    retry_after_s: float | None = None
    is_timeout: bool = False

    @property
    def is_delivered(self) -> bool:
        return self.attempted.status is not None and self.attempted.status // 100 == 2

    @property
    def is_gone(self) -> bool:
        """Whether the receiver answered 410."""
        return self.attempted.status == HTTPStatus.GONE

    @property
    def spare_s(self) -> float:
        """The number of seconds for which nothing should be sent to this receiver."""
        is_busy = self.attempted.status in _TOO_BUSY or self.retry_after_s is not None
        return max(_FIRST_PAUSE_S, self.retry_after_s or 0.0) if is_busy else 0.0


class WebhookSender:
    """Sends webhooks. Thread-safe."""

    def __init__(self, client: EgressClient) -> None:
        self._client = client

    def send(self, url: str, headers: Mapping[str, str], body: str, timeout_s: float) -> Outcome:
        """POSTs the body and returns the outcome. Errors of the receiver or the network do not raise.

        `timeout_s` covers the whole call, from the DNS look-up to the end of the response.
        """
        at, began_s = datetime.now(UTC), time.monotonic()

        def outcome(status: int | None, error: str, answer: bytes = b"", retry_after_s: float | None = None) -> Outcome:
            latency_s = time.monotonic() - began_s
            text = answer.decode("utf-8", "replace")
            return Outcome(Attempted(url, at, latency_s, status, error[:_MAX_ERROR_CHARS], text), retry_after_s)

        try:
            answer = self._post(url, headers, body, Deadline(timeout_s))
        except (EgressRefused, EgressFailed) as error:
            return replace(outcome(None, str(error)), is_timeout=isinstance(error.__cause__, TimeoutError))
        told = answer.body if answer.may_be_told else b""
        if answer.status // 100 == 2:
            return outcome(answer.status, "", told)
        return outcome(answer.status, f"receiver answered {answer.status}", told, _retry_after_s(answer, at))

    def _post(self, url: str, headers: Mapping[str, str], body: str, deadline: Deadline) -> Answer:
        return self._client.post(url, headers, body.encode(), deadline, max_bytes=_MAX_ANSWER_BYTES)


def _retry_after_s(answer: Answer, now: datetime) -> float | None:
    """Parses `Retry-After` (RFC 9110): seconds or a date; None for anything else."""
    text = answer.headers.get("retry-after", "").strip()
    if text.isdecimal():
        return float(text[:9])
    try:
        moment = parsedate_to_datetime(text[:_MAX_DATE_CHARS])
        return max(0.0, (moment.replace(tzinfo=moment.tzinfo or UTC) - now).total_seconds())
    except (ValueError, OverflowError, TypeError, IndexError):  # no date, or none that the calendar has
        return None
