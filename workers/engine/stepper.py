"""The interface between the engine thread and a stage's engine. The thread knows nothing else about a stage."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Generic, Protocol, TypeVar

from shared.errors import GridpressError, RenderFailed
from shared.ids import RenderId
from shared.jobs.leases import Claim, Progress

Result_co = TypeVar("Result_co", covariant=True)


@dataclass(frozen=True, slots=True)
class Outcome(Generic[Result_co]):
    """The result with which a render leaves its stage, or the error with which it fails.

    `device_s` is the seconds of the device that the render took. The engine thread sets it.
    """

    claim: Claim
    result: Result_co | None = None
    error: GridpressError | None = None
    device_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Unfinished:
    """The saved state of a render whose worker drains. Another worker can continue the render after step `num_done`."""

    num_done: int
    data: bytes


def crashed(claim: Claim) -> Outcome[Any]:
    """Returns the failed outcome of a render after an unexpected error. Its code is `engine_error`.

    The caller has logged the error itself.
    """
    message = "the render failed unexpectedly; the worker's log has the details"
    return Outcome(claim, error=RenderFailed("engine_error", message))


class Stepper(Protocol[Result_co]):
    """The interface of a stage's engine, which schedules renders and computes them step by step. Only one thread calls
    an engine, so it needs no locks.

    `step` returns the errors of single renders as outcomes. If `step` raises instead, all its renders fail.
    """

    def admit(self, claim: Claim) -> None:
        """Adds a claimed render to the engine. Raises `GridpressError` if the render can never run; other renders are
        not affected.
        """
        ...

    def in_step(self) -> Collection[RenderId]:
        """Returns the renders that the next `step` computes. It is called right before `step`.

        If that step kills the process, these renders become suspects: each of them is tried again alone.
        """
        ...

    def step(self) -> Sequence[Outcome[Result_co]]:
        """Advances renders in the engine by one decode or denoise step.

        Returns the outcomes of the renders that finished or failed in it.
        """
        ...

    def drop(self, render_id: RenderId) -> None:
        """Removes a render from the engine and frees the render's memory at once. A render is dropped if it was
        cancelled, if its worker drains, or if its lease was lost. Ignores unknown ids.
        """
        ...

    def progress(self) -> Mapping[RenderId, Progress]:
        """Returns how many steps each admitted render has done, and how many it has in total."""
        ...

    @property
    def is_waiting(self) -> bool:
        """True if the planned step computes nothing, because another thread of this engine is still preparing the
        renders of the step.

        The watchdog treats waiting without end as a hang. But waiting until another process releases the device is no
        hang, so this property must be False then.
        """
        ...

    @property
    def is_idle(self) -> bool:
        """True if the engine has no renders, so that `step` would do nothing."""
        ...
