"""Names of queues and tasks, in one place."""

from enum import StrEnum

CELERY_KEY_PREFIX = "gridpress:celery:"


class Queue(StrEnum):
    """A Celery queue. The stages' queues carry the stages' names."""

    AR = "ar"
    DIT = "dit"
    DELIVERY = "delivery"
    ENHANCE = "enhance"
    BATCH = "batch"

    @property
    def task(self) -> str:
        """The task that takes one hint from this queue."""
        return f"gridpress.{self.value}.take"


def celery_list(queue: Queue) -> str:
    """The Redis list in which Celery keeps this queue's messages."""
    return f"{CELERY_KEY_PREFIX}{queue}"
