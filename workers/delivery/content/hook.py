"""Asks one hook of the operator over HTTP, with a time limit for all attempts. Uses the egress client, which refuses
addresses that are not allowed and follows no redirect.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Generic, TypeVar

import structlog

from shared.egress.client import BodyEnd, EgressClient, EgressResponse
from shared.egress.deadline import Deadline
from shared.egress.errors import EgressFailed, EgressRefused
from shared.webhooks.signing_key import SigningKey
from workers.delivery.content.errors import NoVerdict
from workers.delivery.content.question import Question
from workers.delivery.signing import signed_headers

log = structlog.get_logger()

Answer = TypeVar("Answer")

_MAX_ANSWER_BYTES = 16 * 1024
_FIRST_PAUSE_S = 0.5  # doubles with each attempt
_TRY_AGAIN = (HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_MANY_REQUESTS)


@dataclass(frozen=True, slots=True)
class HookRules:
    """The limits of one verdict: the time for all attempts in seconds, and the number of attempts."""

    timeout_s: float
    max_attempts: int


@dataclass(frozen=True, slots=True)
class Hook(Generic[Answer]):
    """A hook of the operator. Requests are signed by Standard Webhooks, as webhooks are. Thread-safe.

    `parse` returns the answer in a response body, or raises `NoVerdict`.
    """

    url: str
    secret: str
    key: SigningKey
    client: EgressClient
    rules: HookRules
    parse: Callable[[bytes], Answer]
    sleep: Callable[[float], None] = time.sleep

    def ask(self, question: Question) -> Answer:
        """Sends a request until there is a verdict, and returns the verdict.

        Raises `NoVerdict` when the attempts or the time are used up, or when another attempt would be useless.
        """
        deadline = Deadline(self.rules.timeout_s)
        for attempt in range(1, self.rules.max_attempts + 1):
            try:
                return self._ask_once(question, deadline)
            except NoVerdict as error:
                log.warning("content_hook.no_verdict", attempt=attempt, reason=error.reason, error=str(error))
                if error.is_final or attempt == self.rules.max_attempts:
                    raise
                self._pause(_FIRST_PAUSE_S * 2 ** (attempt - 1), deadline)
        raise AssertionError("the last attempt raises")

    def _pause(self, pause_s: float, deadline: Deadline) -> None:
        """Waits before the next attempt. Raises `NoVerdict` if the time would be over by then."""
        try:
            is_late = deadline.left_s() <= pause_s
        except TimeoutError:
            is_late = True
        if is_late:
            raise self._too_late()
        self.sleep(pause_s)

    def _ask_once(self, question: Question, deadline: Deadline) -> Answer:
        signed = signed_headers(question.message_id, datetime.now(UTC), question.body, (self.secret,), self.key)
        headers = {"content-type": "application/json", **signed}
        content = question.body.encode()
        try:
            answer = self.client.post(self.url, headers, content, deadline, max_bytes=_MAX_ANSWER_BYTES)
        except EgressRefused as error:
            raise NoVerdict("url_refused", f"the URL can't be called: {error}", is_final=True) from error
        except EgressFailed as error:
            if isinstance(error.__cause__, TimeoutError):
                raise self._too_late() from error
            raise NoVerdict("unreachable", str(error)) from error
        except TimeoutError as error:
            raise self._too_late() from error
        return self.parse(_body_of(answer))

    def _too_late(self) -> NoVerdict:
        return NoVerdict("timeout", f"there was no verdict within {self.rules.timeout_s:g} s", is_final=True)


def _body_of(answer: EgressResponse) -> bytes:
    """Returns the whole body of a response with a 2xx status. Raises `NoVerdict` for any other response."""
    if answer.status // 100 != 2:
        is_passing = answer.status >= 500 or answer.status in _TRY_AGAIN
        raise NoVerdict("refused", f"the hook answered {answer.status}", is_final=not is_passing)
    match answer.body_end:
        case BodyEnd.WHOLE:
            return answer.body
        case BodyEnd.TOO_LARGE:
            raise NoVerdict("answer_too_long", f"the response exceeds {_MAX_ANSWER_BYTES} bytes", is_final=True)
        case BodyEnd.TOO_SLOW:
            raise NoVerdict("timeout", "the response did not end in time", is_final=True)
    raise NoVerdict("unreachable", "the response was cut off")
