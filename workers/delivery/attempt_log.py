"""Writes one log line and one trace span for every webhook attempt.

The URL is never logged, because its query may contain a secret.
"""

from enum import StrEnum

import structlog

from shared.store.webhooks.deliveries import Delivery
from shared.tracing.span import Value
from shared.tracing.spans import begin_span
from workers.delivery.webhook import Outcome

log = structlog.get_logger()


class Ending(StrEnum):
    """The outcome of a webhook attempt.

    `cut_short` means that the receiver did not respond within the short timeout of this attempt. The next attempt gets
    the full timeout.
    """

    DELIVERED = "delivered"
    CUT_SHORT = "cut_short"
    RETRY = "retry"
    ABANDONED = "abandoned"


def log_attempt(delivery: Delivery, outcome: Outcome, outcome_name: Ending, began_ns: int) -> None:
    """Logs a webhook attempt and writes its trace span.

    The caller has bound the ids of the delivery to structlog's context, so the log line has them.
    """
    attempted = outcome.attempted
    fields: dict[str, Value] = {
        "outcome": outcome_name.value,
        "type": delivery.event_type,
        "attempt": delivery.attempt,
        "destination": delivery.destination,
        "seconds": round(attempted.latency_s, 3),
    }
    if attempted.status is not None:
        fields["status"] = attempted.status
    if attempted.error:
        fields["error"] = attempted.error
    has_failed = outcome_name in (Ending.RETRY, Ending.ABANDONED)
    (log.warning if has_failed else log.info)("webhook.attempted", **fields)
    _trace(delivery, fields, began_ns, outcome_name.value if has_failed else "")


def _trace(delivery: Delivery, fields: dict[str, Value], began_ns: int, error: str) -> None:
    """Writes the trace span of a webhook attempt. `error` is '' for an attempt that did not fail."""
    parent = delivery.origin.trace if delivery.origin else None
    if span := begin_span("webhook", parent=parent, kind="client", began_at_ns=began_ns):
        ids = {name: value for name, value in delivery.log_ids.items() if name not in ("request_id", "trace_id")}
        span.end({f"gridpress.{name}": value for name, value in {**ids, **fields}.items()}, error=error)
