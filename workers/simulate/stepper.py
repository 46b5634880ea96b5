"""A simulated engine (a `Stepper`), whose steps only take time.

It works for both stages: the caller passes the function that makes a stage's result.
"""

import math
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from shared.errors import GridpressError
from shared.ids import RenderId
from shared.jobs.leases import Claim, Progress
from workers.engine.class_turns import ClassTurns
from workers.engine.stepper import Outcome, Unfinished
from workers.simulate.faults import Fault

Result = TypeVar("Result")
_FLOOR = 0.1  # the same as in the DiT's scheduler
_LONGEST_STEP_S = 0.01  # steps are short, because cancellation and drain act between steps


@dataclass(slots=True)
class _Render:
    claim: Claim
    fault: Fault | None
    num_done: int = 0

    @property
    def is_stalled(self) -> bool:
        return self.fault is Fault.STALL


def _ignore(_claim: Claim, _progress: Progress) -> None:
    """Does nothing. It is the default for the function that is called after a step."""


def _nothing(_: Claim) -> None:
    """Returns no saved state, so every render starts with its first step."""


class TimedStepper(Generic[Result]):
    """A simulated engine that computes up to `group` renders together. The steps of a render take `duration_s` seconds
    in total. Then `finish` is called to make the result of the render.

    `on_step` is called after every step of a render except the last one, with the progress in steps of this engine.
    `load_unfinished` returns the saved state of a
    render that another worker handed over, or None.
    """

    def __init__(
        self,
        duration_s: float,
        finish: Callable[[Claim], Result],
        *,
        group: int,
        on_step: Callable[[Claim, Progress], None] = _ignore,
        load_unfinished: Callable[[Claim], bytes | None] = _nothing,
    ) -> None:
        self._finish = finish
        self._on_step = on_step
        self._load_unfinished = load_unfinished
        self._group = group
        self._classes = ClassTurns(_FLOOR)
        self._planned: tuple[_Render, ...] | None = None
        self._num_steps = max(1, math.ceil(duration_s / _LONGEST_STEP_S))
        self._step_s = duration_s / self._num_steps
        self._renders: dict[RenderId, _Render] = {}

    def admit(self, claim: Claim) -> None:
        """Adds a claimed render to the engine. If the engine still has the render under an older lease, that lease was
        lost, and the new claim replaces the older one.
        """
        self.drop(claim.render_id)
        num_done = int(self._load_unfinished(claim) or 0)
        self._planned = None
        self._renders[claim.render_id] = _Render(claim, Fault.asked_for(claim), num_done)

    def in_step(self) -> Collection[RenderId]:
        self._planned = None
        return tuple(render.claim.render_id for render in self._group_in_step())

    def step(self) -> Sequence[Outcome[Result]]:
        """Runs one step of the renders that are next, and returns the outcomes of those that end in it.

        A fault that a prompt requests is injected half-way through its render.
        """
        group = self._group_in_step()
        if self.is_waiting:
            time.sleep(_LONGEST_STEP_S)
            return ()
        time.sleep(self._step_s)
        self._planned = None
        outcomes = [self._advance(render) for render in group if not render.is_stalled]
        return [outcome for outcome in outcomes if outcome]

    def drop(self, render_id: RenderId) -> None:
        self._planned = None
        self._renders.pop(render_id, None)

    def unfinished(self, render_id: RenderId) -> Unfinished | None:
        """Returns the saved state of a render for another worker: its number of steps done. Returns None before the
        first step.
        """
        render = self._renders.get(render_id)
        return Unfinished(render.num_done, b"%d" % render.num_done) if render and render.num_done else None

    def progress(self) -> Mapping[RenderId, Progress]:
        """Returns the progress of each render in the steps that its request asks for, not in those of this engine."""
        return {render_id: self._progress(render) for render_id, render in self._renders.items()}

    def _progress(self, render: _Render) -> Progress:
        asked = render.claim.num_steps
        return Progress(render.num_done * asked // self._num_steps, asked)

    @property
    def is_waiting(self) -> bool:
        """True if all renders of the next step are stalled. A stalled render simulates a render whose preparation on
        the side thread never ends.
        """
        return not self.is_idle and all(render.is_stalled for render in self._group_in_step())

    @property
    def is_idle(self) -> bool:
        return not self._renders

    def _group_in_step(self) -> Sequence[_Render]:
        """Returns the renders of the next step. They are chosen as the DiT's scheduler would choose them, and the
        choice does not change until the step.

        Renders are ordered by class, but a lower class that is pre-empted gets a minimum share of the steps. Within a
        class, renders that have begun come first, then the oldest.
        """
        if self._planned is None:
            self._planned = self._choice()
        return self._planned

    def _choice(self) -> tuple[_Render, ...]:
        present = self._renders.values()
        ranks = [render.claim.priority.rank for render in present]
        begun = [render.claim.priority.rank for render in present if render.num_done]
        rank = self._classes.next_rank([min(ranks), *begun]) if ranks else 0

        def order(render: _Render) -> tuple[bool, int, bool]:
            return render.claim.priority.rank != rank, render.claim.priority.rank, not render.num_done

        return tuple(sorted(present, key=order)[: self._group])

    def _advance(self, render: _Render) -> Outcome[Result] | None:
        """Advances the render by one step. Returns its outcome if the render leaves the stage now, else None."""
        try:
            if render.fault and 2 * render.num_done >= self._num_steps - 1:
                render.fault.inject()
            render.num_done += 1
            if render.num_done < self._num_steps:
                self._on_step(render.claim, Progress(render.num_done, self._num_steps))
                return None
            outcome = Outcome(render.claim, result=self._finish(render.claim))
        except GridpressError as error:
            outcome = Outcome(render.claim, error=error)
        self.drop(render.claim.render_id)
        return outcome
