"""Defines the events that webhooks report, and the two styles of their bodies."""

from enum import StrEnum
from typing import Literal

# Events of a job. Progress is reported at most once per second.
JobEventType = Literal[
    "job.started", "job.progress", "job.succeeded", "job.failed", "job.cancelled", "job.expired", "job.rejected"
]
# Events of a batch.
BatchEventType = Literal["batch.progress", "batch.completed", "batch.failed", "batch.cancelled", "batch.expired"]
# Events to which an endpoint can subscribe. If an endpoint is disabled, the tenant's other endpoints get an event.
EventType = Literal[JobEventType, BatchEventType, "webhook_endpoint.disabled"]

# Default events for the webhook URL of a single job.
ENDS: tuple[JobEventType, ...] = ("job.succeeded", "job.failed", "job.cancelled", "job.expired", "job.rejected")
# Default events for the webhook URL of a single batch.
BATCH_ENDS: tuple[BatchEventType, ...] = ("batch.completed", "batch.failed", "batch.cancelled", "batch.expired")
# Default events of an endpoint.
DEFAULT_EVENTS: tuple[EventType, ...] = (*ENDS, *BATCH_ENDS, "webhook_endpoint.disabled")
# Events that are outdated a second later. If their delivery fails, it is not retried.
PASSING: tuple[EventType, ...] = ("job.progress", "batch.progress")
# A test event, which is sent on request of the owner, whatever the endpoint's events are.
TEST_EVENT = "webhook_endpoint.test"


class PayloadStyle(StrEnum):
    """The style of a webhook body. `full` has the job as GET returns it. `thin` has only its id, for receivers that
    fetch the rest.
    """

    FULL = "full"
    THIN = "thin"
