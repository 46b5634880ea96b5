"""Names the Celery queues, and the Celery task that reads each queue."""

from enum import StrEnum

CELERY_KEY_PREFIX = "gridpress:celery:"


class Queue(StrEnum):
    """A Celery queue. The queues of the stages have the same names as the stages."""

    AR = "ar"
    DIT = "dit"
    DELIVERY = "delivery"
    ENHANCE = "enhance"
    BATCH = "batch"

    @property
    def task(self) -> str:
        """Returns the name of the Celery task that handles the hints (messages that wake workers) of this queue."""
        return f"gridpress.{self.value}.take"


def celery_list(queue: Queue) -> str:
    """Returns the key of the Redis list in which Celery stores the messages of a queue."""
    return f"{CELERY_KEY_PREFIX}{queue}"
