"""Describes the health values that a worker sends with every heartbeat, and their sums over the workers of a queue."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class WorkerHealth:
    """The health values that one worker sends with its heartbeats.

    `silent_s` is how many seconds the worker has had a free slot without asking for a hint (a Celery message that wakes
    workers). `is_draining` says that the worker takes no more work and will end.

    The other values are counts since the worker's start: work found without a hint, restarts of the Celery consumer,
    and unexpected errors after which the worker's threads continued.
    """

    silent_s: float = 0.0
    num_found: int = 0
    num_restarts: int = 0
    num_faults: int = 0
    is_draining: bool = False


@dataclass(frozen=True, slots=True)
class QueueHealth:
    """The health of all live workers of a queue. `workers` is their number.

    `deaf` is the number of workers that ask for no hints (Celery messages that wake workers). The other fields are sums
    of the workers' counts.
    """

    workers: int
    deaf: int
    found: int
    restarts: int
    faults: int
