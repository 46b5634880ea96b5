"""Chooses the render of the next denoise step. It knows ids and classes of renders, and uses no tensors."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from shared.ids import RenderId
from shared.jobs.leases import Claim
from workers.engine.class_turns import ClassTurns

_FLOOR = 0.1  # the share of steps that a pre-empted class still gets, equal to the default share of claims


@dataclass(slots=True)
class _Turn:
    render_id: RenderId
    rank: int
    age: int
    has_begun: bool = False

    @property
    def order(self) -> tuple[int, bool, int]:
        """The key by which renders are sorted: the most urgent class first, then renders that have begun, then the
        oldest.
        """
        return (self.rank, not self.has_begun, self.age)


class Scheduler:
    """Runs renders one after another, ordered by class, then age. One render fills the device, so alternating between
    renders, or computing several together, would only delay all of them.

    Only a render of a strictly higher class pre-empts another one, between two denoise steps. The pre-empted render
    keeps its state. Its class still gets a minimum share of the steps (`floor`).
    """

    def __init__(self, floor: float = _FLOOR) -> None:
        self._classes = ClassTurns(floor)
        self._turns: dict[RenderId, _Turn] = {}
        self._num_seen = 0

    def add(self, claim: Claim) -> None:
        self._num_seen += 1
        self._turns[claim.render_id] = _Turn(claim.render_id, claim.priority.rank, self._num_seen)

    def remove(self, render_id: RenderId) -> None:
        del self._turns[render_id]

    def next_render(
        self, is_ready: Callable[[RenderId], bool], fits: Callable[[RenderId], bool] = lambda _: True
    ) -> RenderId | None:
        """Returns the render of the next step. Returns None if no render is ready.

        A render that is not ready delays no other render, and keeps its place in the order. If a render does not fit
        into memory beside the renders that have begun, it waits until enough of those have ended. Meanwhile no later
        render begins.
        """
        ready = sorted(
            (turn for turn in self._turns.values() if turn.has_begun or is_ready(turn.render_id)),
            key=lambda turn: turn.order,
        )
        ready = list(_up_to_the_first_too_large(ready, fits))
        if not ready:
            return None
        begun = [turn.rank for turn in ready if turn.has_begun]
        rank = self._classes.next_rank([ready[0].rank, *begun])
        chosen = next(turn for turn in ready if turn.rank == rank)
        chosen.has_begun = True
        return chosen.render_id


def _up_to_the_first_too_large(turns: Sequence[_Turn], fits: Callable[[RenderId], bool]) -> Sequence[_Turn]:
    """Returns all renders that have begun, and the other renders up to the first one that does not fit into memory."""
    too_large = next((turn for turn in turns if not turn.has_begun and not fits(turn.render_id)), None)
    if too_large is None:
        return turns
    place = turns.index(too_large)
    return [*turns[:place], *(turn for turn in turns[place:] if turn.has_begun)]
