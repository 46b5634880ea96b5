"""A `Stepper` whose steps take time and nothing else. Knows neither stage: who makes a result is an argument."""

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
_FLOOR = 0.1  # as in the DiT's scheduler
_LONGEST_STEP_S = 0.01  # cancellation and drain act between steps


@dataclass(slots=True)
class _Render:
    claim: Claim
    fault: Fault | None
    num_done: int = 0

    @property
    def is_stalled(self) -> bool:
        return self.fault is Fault.STALL


def _ignore(_claim: Claim, _progress: Progress) -> None:
    """Nobody asked."""


def _nothing(_: Claim) -> None:
    """Every render begins with its first step."""


class TimedStepper(Generic[Result]):
    """Steps the first `group` renders together; each takes `duration_s`, then `finish` makes its result.

    `on_step` hears of every step but a render's last.
    `load_unfinished` returns what `unfinished` has made of a render on another worker.
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
        """A render that is here already was lost and claimed again: only the newer claim can be written."""
        self.drop(claim.render_id)
        num_done = int(self._load_unfinished(claim) or 0)
        self._planned = None
        self._renders[claim.render_id] = _Render(claim, Fault.asked_for(claim), num_done)

    def in_step(self) -> Collection[RenderId]:
        self._planned = None
        return tuple(render.claim.render_id for render in self._group_in_step())

    def step(self) -> Sequence[Outcome[Result]]:
        """One step of the oldest renders, with whatever their prompts ask to go wrong half-way."""
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
        """Returns the steps done, for another worker; None before the first."""
        render = self._renders.get(render_id)
        return Unfinished(render.num_done, b"%d" % render.num_done) if render and render.num_done else None

    def progress(self) -> Mapping[RenderId, Progress]:
        return {render_id: Progress(render.num_done, self._num_steps) for render_id, render in self._renders.items()}

    @property
    def is_waiting(self) -> bool:
        """As an engine whose side thread never comes back with what the next renders need."""
        return not self.is_idle and all(render.is_stalled for render in self._group_in_step())

    @property
    def is_idle(self) -> bool:
        return not self._renders

    def _group_in_step(self) -> Sequence[_Render]:
        """Chooses as the DiT's scheduler does: by class, with a floor for one that was pre-empted; in it a render that
        has begun, then the oldest. The choice stands until the step.
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
        """How the render leaves the stage in this step; None while it stays."""
        try:
            if render.fault and 2 * render.num_done >= self._num_steps - 1:
                render.fault.strike()
            render.num_done += 1
            if render.num_done < self._num_steps:
                self._on_step(render.claim, Progress(render.num_done, self._num_steps))
                return None
            outcome = Outcome(render.claim, result=self._finish(render.claim))
        except GridpressError as error:
            outcome = Outcome(render.claim, error=error)
        self.drop(render.claim.render_id)
        return outcome
