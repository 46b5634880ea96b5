"""Tells of every webhook attempt: one log line and one span. Never the URL, whose query may be a secret."""

from enum import StrEnum

import structlog

from shared.store.webhooks.deliveries import Delivery
from shared.tracing.spans import Value, begin_span
from workers.delivery.webhook import Outcome

log = structlog.get_logger()


class How(StrEnum):
    """How an attempt ended. `cut_short`: its receiver needs more time than it had, and gets it with the next one."""

    DELIVERED = "delivered"
    CUT_SHORT = "cut_short"
    RETRY = "retry"
    ABANDONED = "abandoned"


def tell_attempt(delivery: Delivery, outcome: Outcome, how: How, began_ns: int) -> None:
    """Logs the attempt; its ids are bound to the thread."""
    attempted = outcome.attempted
    told: dict[str, Value] = {
        "outcome": how.value,
        "type": delivery.event_type,
        "attempt": delivery.attempt,
        "destination": delivery.destination,
        "seconds": round(attempted.latency_s, 3),
    }
    if attempted.status is not None:
        told["status"] = attempted.status
    if attempted.error:
        told["error"] = attempted.error
    has_failed = how in (How.RETRY, How.ABANDONED)
    (log.warning if has_failed else log.info)("webhook.attempted", **told)
    _trace(delivery, told, began_ns, how.value if has_failed else "")


def _trace(delivery: Delivery, told: dict[str, Value], began_ns: int, error: str) -> None:
    parent = delivery.origin.trace if delivery.origin else None
    if span := begin_span("webhook", parent=parent, kind="client", began_at_ns=began_ns):
        ids = {name: value for name, value in delivery.log_ids.items() if name not in ("request_id", "trace_id")}
        span.end({f"gridpress.{name}": value for name, value in {**ids, **told}.items()}, error=error)
