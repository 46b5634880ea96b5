"""Carries out one delivery: composes the message, sends it once and records the outcome. Knows no threads."""

import random
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cache, partial

import structlog
from prometheus_client import Counter

from shared.errors import BatchNotFound, EndpointNotFound, JobNotFound, StoreUnavailable
from shared.metrics.catalogue import WEBHOOK_ATTEMPT_SECONDS, WEBHOOK_ATTEMPTS
from shared.store.webhooks.deliveries import Attempted, Delivery, DeliveryStore
from shared.webhooks.events import PASSING
from workers.delivery.attempt_log import How, tell_attempt
from workers.delivery.message import Composer, Outgoing
from workers.delivery.schedule import NO_RETRIES, RETRY_DELAYS_S, clamped, retry_delay_s
from workers.delivery.webhook import Outcome, WebhookSender

log = structlog.get_logger()

# What an attempt came to, for the metrics.
_DROPPED, _LATE, _UNRECORDED = "dropped", "late", "unrecorded"
_COME_TO = {**{how: how.value for how in How}, How.ABANDONED: "failed"}


@dataclass(frozen=True, slots=True)
class DeliveryService:
    """Thread-safe. If the store is down, the outcome is not recorded: the lease ends and the message is sent again."""

    deliveries: DeliveryStore
    composer: Composer
    sender: WebhookSender
    timeout_s: float
    rng: random.Random = field(default_factory=random.Random)

    def carry_out(self, delivery: Delivery, longest_s: float) -> None:
        """Makes one attempt of at most `longest_s`. If that is less than the full time-out, a time-out counts as no
        failure.
        """
        began_ns = time.time_ns()
        try:
            outgoing = self.composer.compose(delivery)
        except (JobNotFound, BatchNotFound, EndpointNotFound) as error:
            log.info("delivery.dropped", reason=str(error))
            self.deliveries.drop(delivery)
            _attempts(_DROPPED).inc()
            return
        except StoreUnavailable:
            raise
        except Exception:
            log.exception("delivery.crashed")
            outcome = _broken_off("", "it could not be put together")
        else:
            outcome = self._send(delivery, outgoing, min(longest_s, self.timeout_s))
        is_cut_short = outcome.is_timeout and longest_s < self.timeout_s
        record, how = self._consequence(delivery, outcome, is_cut_short=is_cut_short)
        came_to = _UNRECORDED
        try:
            came_to = _COME_TO[how] if record() else _LATE
        finally:
            tell_attempt(delivery, outcome, how, began_ns)
            _attempts(came_to).inc()
            WEBHOOK_ATTEMPT_SECONDS.observe(outcome.attempted.latency_s)
        if came_to == _LATE:
            log.warning("delivery.late", attempt=delivery.attempt)

    def _send(self, delivery: Delivery, outgoing: Outgoing, timeout_s: float) -> Outcome:
        """Sends the message. Unexpected exceptions become outcomes, too: without one the message would be sent for
        ever.
        """
        try:
            return self.sender.send(outgoing.url, outgoing.headers, outgoing.body, timeout_s)
        except Exception as error:
            log.exception("delivery.crashed")
            return _broken_off(outgoing.url, f"the attempt broke off: {type(error).__name__}")

    def _consequence(
        self, delivery: Delivery, outcome: Outcome, *, is_cut_short: bool
    ) -> tuple[Callable[[], bool], How]:
        """Returns what records the outcome, and its name."""
        attempted = outcome.attempted
        if outcome.is_delivered:
            return partial(self.deliveries.delivered, delivery, attempted), How.DELIVERED
        if is_cut_short:
            return partial(self.deliveries.cut_short, delivery, attempted), How.CUT_SHORT
        delays_s = NO_RETRIES if delivery.event_type in PASSING else RETRY_DELAYS_S
        delay_s = retry_delay_s(delays_s, delivery.attempt, self.rng, outcome.retry_after_s)
        if outcome.is_gone or delay_s is None:
            return partial(self.deliveries.abandon, delivery, attempted, is_gone=outcome.is_gone), How.ABANDONED
        spare_s = clamped(outcome.spare_s)
        return partial(self.deliveries.retry_later, delivery, attempted, delay_s, spare_s), How.RETRY


@cache
def _attempts(came_to: str) -> Counter:
    """Cached: finding the series of a label costs as much as counting."""
    return WEBHOOK_ATTEMPTS.labels(came_to)


def _broken_off(url: str, error: str) -> Outcome:
    """Returns the outcome of an attempt that ended with an unexpected error."""
    return Outcome(Attempted(url, datetime.now(UTC), 0.0, None, error, ""))
