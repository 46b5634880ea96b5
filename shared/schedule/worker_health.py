"""Signs of health that a worker sends with every heartbeat, and their sums over the workers of a queue."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Signs:
    """Signs of one worker. `silent_s` is how long it has asked for no hint although it had a free slot.

    The others count since its start: work found without a hint, restarts of the consumer of hints, and unexpected
    errors that its threads survived. `is_draining`: it takes no more work and will leave.
    """

    silent_s: float = 0.0
    num_found: int = 0
    num_restarts: int = 0
    num_faults: int = 0
    is_draining: bool = False


@dataclass(frozen=True, slots=True)
class QueueSigns:
    """The live workers of a queue, how many of them ask for no hints (`deaf`), and the sums of their counts."""

    workers: int
    deaf: int
    found: int
    restarts: int
    faults: int
