"""What an engine thread drives. A stage implements it; the thread knows no more of a stage than this."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Generic, Protocol, TypeVar

from shared.errors import GridpressError, RenderFailed
from shared.ids import RenderId
from shared.jobs.leases import Claim, Progress

Result_co = TypeVar("Result_co", covariant=True)


@dataclass(frozen=True, slots=True)
class Outcome(Generic[Result_co]):
    """How a render left the stage: with a result, or with an error of its own."""

    claim: Claim
    result: Result_co | None = None
    error: GridpressError | None = None


@dataclass(frozen=True, slots=True)
class Unfinished:
    """What a render has come to when its worker leaves: enough for another worker to go on after `num_done` steps."""

    num_done: int
    data: bytes


def crashed(claim: Claim) -> Outcome[Any]:
    """For an error that nobody foresaw, which belongs into the log: the render fails by name."""
    message = "the render failed unexpectedly; the worker's log has the details"
    return Outcome(claim, error=RenderFailed("engine_error", message))


class Stepper(Protocol[Result_co]):
    """A stage's engine: schedule, run, record. One thread calls it, so it needs no locks.

    An error that it raises from `step` breaks its promise: everything that it holds fails.
    """

    def admit(self, claim: Claim) -> None:
        """Takes a render in. Raises `GridpressError` when this render can never run; its neighbours are untouched."""
        ...

    def in_step(self) -> Collection[RenderId]:
        """Whom the next `step` computes for: the suspects, should it kill the process. Asked right before it."""
        ...

    def step(self) -> Sequence[Outcome[Result_co]]:
        """Advances the admitted renders by one decode or denoise step; returns those that finished or failed in it."""
        ...

    def drop(self, render_id: RenderId) -> None:
        """Forgets a render (cancelled, lease lost, drained) and frees its memory at once. Unknown ids are ignored."""
        ...

    def progress(self) -> Mapping[RenderId, Progress]:
        """Steps done of every admitted render."""
        ...

    @property
    def is_waiting(self) -> bool:
        """Whether the step that `in_step` planned computes nothing, for want of what another thread of this engine
        prepares. Waiting for ever is a hang; waiting for another process's turn is not, and is not meant.
        """
        ...

    @property
    def is_idle(self) -> bool:
        """Whether `step` would have nothing to do."""
        ...
