"""Makes one webhook attempt: composes the message, sends it once and records the outcome. Starts no threads."""

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
from shared.store.webhooks.deliveries import AttemptResult, Delivery, DeliveryStore
from shared.webhooks.events import PASSING
from workers.delivery.attempt_log import Ending, log_attempt
from workers.delivery.message import Composer, Outgoing
from workers.delivery.schedule import NO_RETRIES, RETRY_DELAYS_S, clamped, retry_delay_s
from workers.delivery.webhook import Outcome, WebhookSender

log = structlog.get_logger()

# Outcomes of attempts as labels of the metrics.
_DROPPED, _LEASE_LOST, _UNRECORDED = "dropped", "late", "unrecorded"
_LABELS = {**{how: how.value for how in Ending}, Ending.ABANDONED: "failed"}


@dataclass(frozen=True, slots=True)
class DeliveryService:
    """Makes webhook attempts: sends the message of a delivery and records the outcome. Thread-safe.

    If the store is unavailable after the request, the outcome is not recorded. The lease then expires and the message
    is sent again.
    """

    deliveries: DeliveryStore
    composer: Composer
    sender: WebhookSender
    timeout_s: float
    rng: random.Random = field(default_factory=random.Random)

    def carry_out(self, delivery: Delivery, longest_s: float) -> None:
        """Makes one webhook attempt of at most `longest_s` seconds and records the outcome of the attempt.

        If `longest_s` is shorter than the full timeout, an attempt that exceeds `longest_s` does not count as a
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
            outcome = _unexpected_failure("", "the message could not be composed")
        else:
            outcome = self._send(delivery, outgoing, min(longest_s, self.timeout_s))
        is_cut_short = outcome.is_timeout and longest_s < self.timeout_s
        record, how = self._recording_of(delivery, outcome, is_cut_short=is_cut_short)
        label = _UNRECORDED
        try:
            label = _LABELS[how] if record() else _LEASE_LOST
        finally:
            log_attempt(delivery, outcome, how, began_ns)
            _attempts(label).inc()
            WEBHOOK_ATTEMPT_SECONDS.observe(outcome.attempted.latency_s)
        if label == _LEASE_LOST:
            log.warning("delivery.late", attempt=delivery.attempt)

    def _send(self, delivery: Delivery, outgoing: Outgoing, timeout_s: float) -> Outcome:
        """Sends the message of a delivery and returns the outcome.

        An unexpected exception also becomes an outcome. Otherwise no outcome would be recorded, and the message would
        be sent again and again.
        """
        try:
            return self.sender.send(outgoing.url, outgoing.headers, outgoing.body, timeout_s)
        except Exception as error:
            log.exception("delivery.crashed")
            return _unexpected_failure(outgoing.url, f"the attempt failed unexpectedly: {type(error).__name__}")

    def _recording_of(
        self, delivery: Delivery, outcome: Outcome, *, is_cut_short: bool
    ) -> tuple[Callable[[], bool], Ending]:
        """Decides how a webhook attempt ended: delivered, cut short, to be retried, or abandoned.

        Returns a function that records the decision in the store, and the decision itself.
        """
        attempted = outcome.attempted
        if outcome.is_delivered:
            return partial(self.deliveries.delivered, delivery, attempted), Ending.DELIVERED
        if is_cut_short:
            return partial(self.deliveries.cut_short, delivery, attempted), Ending.CUT_SHORT
        delays_s = NO_RETRIES if delivery.event_type in PASSING else RETRY_DELAYS_S
        delay_s = retry_delay_s(delays_s, delivery.attempt, self.rng, outcome.retry_after_s)
        if outcome.is_gone or delay_s is None:
            return partial(self.deliveries.abandon, delivery, attempted, is_gone=outcome.is_gone), Ending.ABANDONED
        spare_s = clamped(outcome.spare_s)
        return partial(self.deliveries.retry_later, delivery, attempted, delay_s, spare_s), Ending.RETRY


@cache
def _attempts(label: str) -> Counter:
    """Returns the Prometheus counter of webhook attempts with this outcome.

    The counter is cached, because finding it by its label takes as long as counting.
    """
    return WEBHOOK_ATTEMPTS.labels(label)


def _unexpected_failure(url: str, error: str) -> Outcome:
    """Returns the outcome of a webhook attempt that ended with an unexpected error."""
    return Outcome(AttemptResult(url, datetime.now(UTC), 0.0, None, error, ""))
