"""Describes the health values that a worker sends with every heartbeat, and their sums over the workers of a queue."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self


@dataclass(frozen=True, slots=True)
class Machine:
    """The device of a worker, and the mean seconds of a step on it. `device` is '' and `step_s` 0 while unknown."""

    device: str = ""
    step_s: float = 0.0

    @classmethod
    def of(cls, fields: Sequence[object]) -> Self:
        """Returns the machine in the end of a heartbeat's health values. Workers of earlier releases send none."""
        return cls(str(fields[0]), float(str(fields[1]))) if len(fields) == 2 else cls()

    @property
    def fields(self) -> tuple[str, float]:
        """Returns what a heartbeat sends. The seconds are rounded to two digits, because each change is one write."""
        return self.device, float(f"{self.step_s:.2g}")


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
    machine: Machine = Machine()


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
