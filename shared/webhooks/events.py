"""What a webhook can tell of, and in how many words."""

from enum import StrEnum
from typing import Literal

# What happens to a job. Progress is told at most once a second.
JobEventType = Literal["job.started", "job.progress", "job.succeeded", "job.failed", "job.cancelled", "job.expired"]
# What happens to a batch.
BatchEventType = Literal["batch.progress", "batch.completed", "batch.failed", "batch.cancelled", "batch.expired"]
# What an endpoint can listen to. That one of a tenant's endpoints was disabled is told to its others.
EventType = Literal[JobEventType, BatchEventType, "webhook_endpoint.disabled"]

# What a job's own URL is told unless it asks otherwise.
ENDS: tuple[JobEventType, ...] = ("job.succeeded", "job.failed", "job.cancelled", "job.expired")
# The same of a batch's.
BATCH_ENDS: tuple[BatchEventType, ...] = ("batch.completed", "batch.failed", "batch.cancelled", "batch.expired")
# What an endpoint is told unless it asks otherwise.
DEFAULT_EVENTS: tuple[EventType, ...] = (*ENDS, *BATCH_ENDS, "webhook_endpoint.disabled")
# What is old a second later: one that could not be delivered is not sent again.
PASSING: tuple[EventType, ...] = ("job.progress", "batch.progress")
# Sent when its owner asks for it, whatever the endpoint listens to.
TEST_EVENT = "webhook_endpoint.test"


class PayloadStyle(StrEnum):
    """`full`: the job as a GET answers it; `thin`: its id alone, for receivers that ask for the rest themselves."""

    FULL = "full"
    THIN = "thin"
