"""What a worker says of its own health with every beat, and what all workers of a queue say together."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Signs:
    """`silent_s`: for how long it has not asked for hints though it could take one.

    Counted since its start: renders and other work that it found without a hint, consumers of hints started anew,
    and unforeseen errors that its threads survived.
    """

    silent_s: float = 0.0
    num_found: int = 0
    num_restarts: int = 0
    num_faults: int = 0


@dataclass(frozen=True, slots=True)
class QueueSigns:
    """The live workers of a queue, how many of them are deaf (ask for no hints), and the sums of their counts."""

    workers: int
    deaf: int
    found: int
    restarts: int
    faults: int
